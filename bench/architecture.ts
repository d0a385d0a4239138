import type { Weights } from './safetensors';

/** Names of a layer's modules in the safetensors file. */
export interface LayerNames {
  query: string;
  key: string;
  value: string;
  attentionOutput: string;
  attentionNorm: string;
  inner: string;
  outer: string;
  outputNorm: string;
}

type Activation = 'gelu' | 'gelu_tanh' | 'relu' | 'tanh';

/** What an exported graph of one of the supported model types looks like. */
export interface Architecture {
  hiddenSize: number;
  heads: number;
  positionRows: number;
  layerNormEpsilon: number;
  activation: Activation;
  /** Whether `token_type_ids` is an input. */
  takesTypes: boolean;
  /** DistilBERT fills masked scores by Where, the others add a large negative number. */
  masksWithWhere: boolean;
  /** RoBERTa counts positions from this id; undefined where they start at 0. */
  padding: number | undefined;
  words: string;
  positions: string;
  types: string | undefined;
  embeddingNorm: string;
  projection: string | undefined;
  layers: LayerNames[];
  /** Linear layers over the first token; the last one gives the logits and has no activation. */
  head: { name: string; activation: Activation }[];
}

export interface ModelConfig {
  model_type: string;
  [key: string]: unknown;
}

const ACTIVATIONS: Record<string, Activation> = {
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  relu: 'relu',
};

export function describe(config: ModelConfig, weights: Weights): Architecture {
  switch (config.model_type) {
    case 'bert':
    case 'electra':
    case 'roberta':
    case 'xlm-roberta':
      return describeBertFamily(config, weights);
    case 'distilbert':
      return describeDistilBert(config, weights);
    default:
      throw new Error(`models of type ${config.model_type} cannot be written as an exported graph`);
  }
}

function describeBertFamily(config: ModelConfig, weights: Weights): Architecture {
  const type = config.model_type;
  const roberta = type === 'roberta' || type === 'xlm-roberta';
  const family = roberta ? 'roberta' : type;
  const prefix = prefixOf(family, weights);
  const embeddings = `${prefix}embeddings`;
  const projection = `${prefix}embeddings_project`;
  const heads: Record<string, Architecture['head']> = {
    bert: head('bert.pooler.dense', 'tanh', 'classifier'),
    electra: head('classifier.dense', 'gelu', 'classifier.out_proj'),
    roberta: head('classifier.dense', 'tanh', 'classifier.out_proj'),
  };
  return {
    hiddenSize: number(config, 'hidden_size'),
    heads: number(config, 'num_attention_heads'),
    positionRows: number(config, 'max_position_embeddings'),
    layerNormEpsilon: number(config, 'layer_norm_eps', 1e-12),
    activation: activation(config.hidden_act ?? 'gelu'),
    takesTypes: number(config, 'type_vocab_size', 2) > 1,
    masksWithWhere: false,
    padding: roberta ? number(config, 'pad_token_id', 1) : undefined,
    words: `${embeddings}.word_embeddings`,
    positions: `${embeddings}.position_embeddings`,
    types: `${embeddings}.token_type_embeddings`,
    embeddingNorm: `${embeddings}.LayerNorm`,
    projection: weights.has(`${projection}.weight`) ? projection : undefined,
    layers: Array.from({ length: number(config, 'num_hidden_layers') }, (_, i) => {
      const layer = `${prefix}encoder.layer.${i}`;
      return {
        query: `${layer}.attention.self.query`,
        key: `${layer}.attention.self.key`,
        value: `${layer}.attention.self.value`,
        attentionOutput: `${layer}.attention.output.dense`,
        attentionNorm: `${layer}.attention.output.LayerNorm`,
        inner: `${layer}.intermediate.dense`,
        outer: `${layer}.output.dense`,
        outputNorm: `${layer}.output.LayerNorm`,
      };
    }),
    head: heads[family] as Architecture['head'],
  };
}

/** What tensor names start with; a checkpoint of the encoder alone leaves it out. */
function prefixOf(family: string, weights: Weights): string {
  return weights.has(`${family}.embeddings.word_embeddings.weight`) ? `${family}.` : '';
}

function describeDistilBert(config: ModelConfig, weights: Weights): Architecture {
  const prefix = prefixOf('distilbert', weights);
  return {
    hiddenSize: number(config, 'dim'),
    heads: number(config, 'n_heads'),
    positionRows: number(config, 'max_position_embeddings'),
    layerNormEpsilon: 1e-12,
    activation: activation(config.activation ?? 'gelu'),
    takesTypes: false,
    masksWithWhere: true,
    padding: undefined,
    words: `${prefix}embeddings.word_embeddings`,
    positions: `${prefix}embeddings.position_embeddings`,
    types: undefined,
    embeddingNorm: `${prefix}embeddings.LayerNorm`,
    projection: undefined,
    layers: Array.from({ length: number(config, 'n_layers') }, (_, i) => {
      const layer = `${prefix}transformer.layer.${i}`;
      return {
        query: `${layer}.attention.q_lin`,
        key: `${layer}.attention.k_lin`,
        value: `${layer}.attention.v_lin`,
        attentionOutput: `${layer}.attention.out_lin`,
        attentionNorm: `${layer}.sa_layer_norm`,
        inner: `${layer}.ffn.lin1`,
        outer: `${layer}.ffn.lin2`,
        outputNorm: `${layer}.output_layer_norm`,
      };
    }),
    head: head('pre_classifier', 'relu', 'classifier'),
  };
}

function head(first: string, activation: Activation, last: string): Architecture['head'] {
  return [
    { name: first, activation },
    { name: last, activation },
  ];
}

function activation(name: unknown): Activation {
  const known = ACTIVATIONS[String(name)];
  if (known === undefined)
    throw new Error(`the activation ${String(name)} cannot be written as an exported graph`);
  return known;
}

function number(config: ModelConfig, key: string, missing?: number): number {
  const value = config[key] ?? missing;
  if (typeof value !== 'number') throw new Error(`config.json has no number ${key}`);
  return value;
}
