import type { Answer, EmbedAnswer, RankAnswer, ScoreAnswer } from '../calls';
import type { Body, Dialect, Endpoint, ErrorAnswer, JsonSchema, Reading } from '../dialect';
import type { RequestFailure } from '../failure';
import { DIMENSIONS } from './schemas';
import { STATUSES } from './statuses';

/**
 * Hugging Face's inference API, as `InferenceClient` for Node.js and Python and Inference Endpoints speak it: what to do is
 * in `inputs`, how in `parameters` (or beside `inputs`), and which task it is in the path or, without one, in the shape of
 * `inputs`.
 *
 * No client has a method for text-ranking. What exists is `{query, texts}` and pairs, which the inference toolkit ranks and
 * scores, and the model page's `{source_sentence, sentences}`, which `sentenceSimilarity` of the clients sends: here a
 * reranker scores these, except on `/pipeline/sentence-similarity`, where it is the cosine of embeddings.
 */

const TEXTS: JsonSchema = { type: 'array', minItems: 1, items: { type: 'string' } };

/** What the inference toolkit ranks. */
const RANKING: JsonSchema = {
  title: 'Ranking',
  type: 'object',
  required: ['query', 'texts'],
  properties: {
    query: { type: 'string' },
    texts: TEXTS,
    return_documents: { type: ['boolean', 'null'], description: 'Whether results carry their texts.' },
    sentences: false,
  },
};

const SIMILARITY: JsonSchema = {
  title: 'One sentence against many',
  type: 'object',
  required: ['source_sentence', 'sentences'],
  properties: { source_sentence: { type: 'string' }, sentences: TEXTS },
};

const PAIRS: JsonSchema = {
  title: 'Pairs',
  type: 'array',
  minItems: 1,
  items: { type: 'array', minItems: 2, maxItems: 2, items: { type: 'string' } },
};

const PAIRS_IN_SENTENCES: JsonSchema = {
  title: 'Pairs, by name',
  type: 'object',
  required: ['sentences'],
  properties: { sentences: PAIRS },
};

const TEXT_OR_TEXTS: JsonSchema = { title: 'Text or texts to embed', anyOf: [{ type: 'string' }, TEXTS] };

const RANKING_INPUTS = [RANKING, SIMILARITY, PAIRS_IN_SENTENCES, PAIRS];

const RANKING_OPTIONS = {
  return_documents: { type: ['boolean', 'null'], description: 'Whether ranked results carry their texts.' },
  truncate: {
    type: ['boolean', 'null'],
    default: true,
    description: 'false: refuse what is longer than the model takes.',
  },
} as const;

const EMBEDDING_OPTIONS = {
  normalize: { type: ['boolean', 'null'], default: true },
  truncate: RANKING_OPTIONS.truncate,
  truncation_direction: { enum: ['right', 'Right', null], description: 'Texts are cut at their end.' },
  prompt_name: {
    enum: ['query', 'document', 'passage', null],
    description: 'Which prefix of the model is put before each text.',
  },
  dimensions: DIMENSIONS,
  encoding_format: { enum: ['float', null] },
} as const;

/** Options stand in `parameters` or beside `inputs`: the clients do both. */
function requestOf(inputs: readonly JsonSchema[], options: JsonSchema): JsonSchema {
  return {
    type: 'object',
    required: ['inputs'],
    properties: {
      inputs: inputs.length === 1 ? inputs[0] : { anyOf: inputs },
      parameters: { type: ['object', 'null'], properties: options },
      ...options,
    },
    // Of two places, only one would be looked at, and checked against the model.
    dependentSchemas: { dimensions: { properties: { parameters: { properties: { dimensions: false } } } } },
  };
}

const SCORES: JsonSchema = { type: 'array', items: { type: 'number' } };

const RANKED: JsonSchema = {
  title: 'Ranked texts, best first',
  type: 'object',
  required: ['scores'],
  properties: {
    scores: {
      type: 'array',
      items: {
        type: 'object',
        required: ['index', 'score'],
        properties: {
          index: { type: 'integer', minimum: 0 },
          score: { type: 'number' },
          text: { type: 'string' },
        },
      },
    },
  },
};

const PAIR_SCORES: JsonSchema = {
  title: 'Scores of pairs',
  type: 'object',
  required: ['scores'],
  properties: { scores: SCORES },
};

const SENTENCE_SCORES: JsonSchema = { title: 'A score for each sentence', ...SCORES };
const EMBEDDINGS: JsonSchema = {
  title: 'An embedding for each text',
  anyOf: [SCORES, { type: 'array', items: SCORES }],
};

const ERROR: JsonSchema = {
  type: 'object',
  required: ['error'],
  properties: { error: { type: 'string' } },
};

const STATUS = { ...STATUSES, unsupported: 400 };

interface Options {
  return_documents?: boolean | null;
  truncate?: boolean | null;
  normalize?: boolean | null;
  prompt_name?: 'query' | 'document' | 'passage' | null;
  dimensions?: number | null;
}

type Ranking = { query: string; texts: string[]; return_documents?: boolean | null };
type Similarity = { source_sentence: string; sentences: string[] };
type Pairs = [string, string][];
type RankingInputs = Ranking | Similarity | { sentences: Pairs } | Pairs;

interface InferenceBody extends Options {
  inputs: RankingInputs | string | string[];
  parameters?: Options | null;
}

type Task = Pick<Endpoint, 'summary' | 'requestSchema' | 'responseSchema' | 'example' | 'read'>;

const RANKING_EXAMPLE = {
  query: 'Which planet is known as the Red Planet?',
  texts: ['Bread is made of flour and water.', 'Mars is often called the Red Planet.'],
};

const TEXT_RANKING: Task = {
  summary: 'Rank texts by how well they answer a query, or score pairs',
  requestSchema: requestOf(RANKING_INPUTS, RANKING_OPTIONS),
  responseSchema: { anyOf: [RANKED, PAIR_SCORES, SENTENCE_SCORES] },
  example: { inputs: RANKING_EXAMPLE },
  read: readRanking,
};

const SENTENCE_SIMILARITY: Task = {
  summary: 'Compare sentences by the cosine of their embeddings',
  requestSchema: requestOf([SIMILARITY], EMBEDDING_OPTIONS),
  responseSchema: SENTENCE_SCORES,
  example: {
    inputs: { source_sentence: RANKING_EXAMPLE.query, sentences: RANKING_EXAMPLE.texts },
  },
  read: readSimilarity,
};

const FEATURE_EXTRACTION: Task = {
  summary: 'Embed texts',
  requestSchema: requestOf([TEXT_OR_TEXTS], EMBEDDING_OPTIONS),
  responseSchema: EMBEDDINGS,
  example: { inputs: RANKING_EXAMPLE.texts },
  read: readFeatures,
};

const ANY_TASK: Task = {
  summary: 'Rank, score or embed, as the shape of `inputs` says',
  requestSchema: { anyOf: [TEXT_RANKING.requestSchema, FEATURE_EXTRACTION.requestSchema] },
  responseSchema: { anyOf: [RANKED, PAIR_SCORES, SENTENCE_SCORES, EMBEDDINGS] },
  example: { inputs: RANKING_EXAMPLE },
  read: (body, parameters) =>
    isTexts((body as unknown as InferenceBody).inputs)
      ? readFeatures(body, parameters)
      : readRanking(body, parameters),
};

export const huggingface: Dialect = {
  name: 'huggingface',
  title: 'Hugging Face inference',
  endpoints: [
    { ...ANY_TASK, claim, path: '/', operationId: 'huggingfaceRoot' },
    { ...ANY_TASK, claim, path: '/predict', operationId: 'huggingfacePredict' },
    ...ofTask('text-ranking', 'TextRanking', TEXT_RANKING),
    ...ofTask('sentence-similarity', 'SentenceSimilarity', SENTENCE_SIMILARITY),
    ...ofTask('feature-extraction', 'FeatureExtraction', FEATURE_EXTRACTION),
    // Last: a model's name may have slashes, so this path takes what the others leave.
    { ...ANY_TASK, claim, path: '/models/:model', operationId: 'huggingfaceModel' },
  ],
  writeError,
  errorSchema: ERROR,
};

/** The path as it is, and as it was before 2025. */
function ofTask(task: string, name: string, endpoint: Task): Endpoint[] {
  return [
    { ...endpoint, claim, path: `/models/:model/pipeline/${task}`, operationId: `huggingface${name}` },
    { ...endpoint, claim, path: `/pipeline/${task}/:model`, operationId: `huggingface${name}Old` },
  ];
}

/** text-embeddings-inference takes texts on `/`, too; objects and pairs in `inputs` are of this API alone. */
function claim(body: Body) {
  if (!Object.hasOwn(body, 'inputs')) return 'no';
  const inputs = body.inputs as unknown;
  return typeof inputs === 'object' && inputs !== null && !isTexts(inputs) ? 'certain' : 'possible';
}

function isTexts(inputs: unknown): inputs is string | string[] {
  return typeof inputs === 'string' || (Array.isArray(inputs) && typeof inputs[0] === 'string');
}

function readRanking(body: Body, { model }: Readonly<Record<string, string>>): Reading {
  const { inputs, ...options } = optionsOf(body);
  const how = { model, scores: 'model', tooLong: tooLong(options) } as const;
  if (Array.isArray(inputs)) return scorePairs(inputs as Pairs, how, toPairScores);
  if (!('sentences' in (inputs as object))) return rankTexts(inputs as Ranking, options, how);
  const { sentences } = inputs as Similarity | { sentences: Pairs };
  if (typeof sentences[0] !== 'string') return scorePairs(sentences as Pairs, how, toPairScores);
  const { source_sentence } = inputs as Similarity;
  const pairs = (sentences as string[]).map((sentence): [string, string] => [source_sentence, sentence]);
  return scorePairs(pairs, how, toScores);
}

/** With the options of `parameters` in place; those beside `inputs` go first. */
function optionsOf(body: Body): Omit<InferenceBody, 'parameters'> {
  const { parameters, ...options } = body as unknown as InferenceBody;
  return { ...parameters, ...options };
}

const tooLong = ({ truncate }: Options) => (truncate === false ? 'refuse' : 'truncate');

type How = { model: string | undefined; scores: 'model'; tooLong: 'truncate' | 'refuse' };

function rankTexts({ query, texts, return_documents }: Ranking, options: Options, how: How): Reading {
  const withText = return_documents ?? options.return_documents ?? false;
  return {
    call: { kind: 'rank', query, documents: texts, topK: undefined, ...how },
    write: (answer) => ({
      scores: (answer as RankAnswer).results.map(({ index, score }) => ({
        index,
        score,
        ...(withText ? { text: texts[index] } : {}),
      })),
    }),
  };
}

function scorePairs(pairs: Pairs, how: How, write: (answer: Answer) => unknown): Reading {
  return { call: { kind: 'score', pairs, ...how }, write };
}

const toScores = (answer: Answer) => Array.from((answer as ScoreAnswer).scores);
const toPairScores = (answer: Answer) => ({ scores: toScores(answer) });

function readSimilarity(body: Body, { model }: Readonly<Record<string, string>>): Reading {
  const { inputs, ...options } = optionsOf(body);
  const { source_sentence, sentences } = inputs as Similarity;
  return {
    call: {
      ...embedCall([source_sentence, ...sentences], model, { ...options, normalize: true }),
      counted: sentences.length,
    },
    write: (answer) => {
      const [source, ...others] = (answer as EmbedAnswer).embeddings as [Float32Array, ...Float32Array[]];
      return others.map((other) => dot(source, other));
    },
  };
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

function readFeatures(body: Body, { model }: Readonly<Record<string, string>>): Reading {
  const { inputs, ...options } = optionsOf(body);
  const texts = inputs as string | string[];
  return {
    call: embedCall(typeof texts === 'string' ? [texts] : texts, model, options),
    write: (answer) => {
      const embeddings = (answer as EmbedAnswer).embeddings.map((embedding) => Array.from(embedding));
      return typeof texts === 'string' ? embeddings[0] : embeddings;
    },
  };
}

function embedCall(texts: string[], model: string | undefined, options: Options) {
  const { normalize, prompt_name, dimensions } = options;
  const role = prompt_name === 'passage' ? 'document' : prompt_name;
  return {
    kind: 'embed',
    model,
    texts,
    role: role ?? undefined,
    normalize: normalize ?? true,
    dimensions: dimensions ?? undefined,
    tooLong: tooLong(options),
  } as const;
}

function writeError({ kind, message }: RequestFailure): ErrorAnswer {
  return { status: STATUS[kind], body: { error: message } };
}
