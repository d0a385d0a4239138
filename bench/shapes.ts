/** Shapes of published rerankers, to be measured with random weights before a model is downloaded. */
export interface Shape {
  modelType: 'bert' | 'xlm-roberta';
  layers: number;
  hiddenSize: number;
  heads: number;
  intermediateSize: number;
  vocabSize: number;
  positionRows: number;
  /** Type of the weights in the file. */
  weights: 'F32' | 'F16';
}

const bert = { modelType: 'bert', vocabSize: 30522, positionRows: 512, weights: 'F32' } as const;

export const SHAPES = {
  /** cross-encoder/ms-marco-MiniLM-L6-v2 */
  'minilm-l6': { ...bert, layers: 6, hiddenSize: 384, heads: 12, intermediateSize: 1536 },
  'bert-base': { ...bert, layers: 12, hiddenSize: 768, heads: 12, intermediateSize: 3072 },
  /** BAAI/bge-reranker-large; bge-reranker-v2-m3 is the same with 8,194 positions. */
  'xlm-r-large': {
    modelType: 'xlm-roberta',
    layers: 24,
    hiddenSize: 1024,
    heads: 16,
    intermediateSize: 4096,
    vocabSize: 250002,
    positionRows: 514,
    weights: 'F16',
  },
  /** For trying the bench itself. */
  tiny: { ...bert, layers: 2, hiddenSize: 64, heads: 4, intermediateSize: 128, vocabSize: 2000 },
} as const satisfies Record<string, Shape>;

export type ShapeName = keyof typeof SHAPES;

export const SHAPE_NAMES = Object.keys(SHAPES) as ShapeName[];
