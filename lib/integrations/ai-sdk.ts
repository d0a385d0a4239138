/**
 * Models for the Vercel AI SDK (`ai` 6 and 7): {@link rerankingModel} for `rerank()`, {@link embeddingModel} for `embed()`
 * and `embedMany()`.
 *
 * @packageDocumentation
 */
import { textsOf } from '../documents';
import { modelName } from '../embedding/model-name';
import type { EmbedTextOptions } from '../embedding/options';
import { CrossrankError } from '../errors';
import { checkChoice, checkText } from '../option-checks';
import type { Ranker } from '../ranking/ranker';
import { Reranker } from '../reranker';
import type { RankedDocument, RerankResponse } from '../response';
import type { TextEmbedder } from '../search/types';
import {
  EMBEDDING_OPTIONS,
  type EmbeddingOptions,
  RANKING_OPTIONS,
  type RankingOptions,
  splitOptions,
} from './call-options';
import { type Peer, requirePeer } from './peer';

export type { EmbeddingOptions, RankingOptions };

const INTEGRATION = 'crossrank/ai-sdk';
const NODE_22 = 22;

const AI: Peer = {
  name: 'ai',
  versions: '6 or 7',
  install: Number.parseInt(process.versions.node, 10) < NODE_22 ? '6' : '7',
  accepts: (major) => major === 6 || major === 7,
};

/** Versions of the interface of `@ai-sdk/provider`. `ai` 6 takes `'v3'`, `ai` 7 both. */
export type SpecificationVersion = 'v3' | 'v4';

/** A value of JSON. */
export type JsonValue = null | string | number | boolean | JsonObject | JsonValue[];
/** An object of JSON, as answers have it. */
export type JsonObject = { [key: string]: JsonValue | undefined };

/** A document that is an object of JSON. */
export type JsonDocument = Readonly<Record<string, unknown>>;

/** Headers of HTTP. */
export type Headers = Record<string, string | undefined>;

/** What the AI SDK logs, and gives to who asks for it. */
export type Warning =
  | { type: 'unsupported'; feature: string; details?: string }
  | { type: 'compatibility'; feature: string; details?: string }
  | { type: 'other'; message: string };

/** How `rerank()` calls a model. */
export interface RerankingCall {
  documents: { type: 'text'; values: string[] } | { type: 'object'; values: JsonDocument[] };
  query: string;
  topN?: number;
  abortSignal?: AbortSignal;
  providerOptions?: Record<string, object>;
  headers?: Headers;
}

/** A `RerankingModelV3` or `RerankingModelV4` of `@ai-sdk/provider`. */
export interface RerankingModel<Version extends SpecificationVersion = 'v3'> {
  readonly specificationVersion: Version;
  readonly provider: string;
  readonly modelId: string;
  doRerank(call: RerankingCall): Promise<{
    ranking: { index: number; relevanceScore: number }[];
    providerMetadata: Record<string, JsonObject>;
    warnings: Warning[];
  }>;
}

/** How `embed()` and `embedMany()` call a model. */
export interface EmbeddingCall {
  values: string[];
  /** Of v4. */
  dimensions?: number;
  abortSignal?: AbortSignal;
  providerOptions?: Record<string, object>;
  headers?: Headers;
}

/** An `EmbeddingModelV3` or `EmbeddingModelV4` of `@ai-sdk/provider`. */
export interface EmbeddingModel<Version extends SpecificationVersion = 'v3'> {
  readonly specificationVersion: Version;
  readonly provider: string;
  readonly modelId: string;
  readonly maxEmbeddingsPerCall: number;
  readonly supportsParallelCalls: boolean;
  doEmbed(call: EmbeddingCall): Promise<{ embeddings: number[][]; warnings: Warning[] }>;
}

/** What both kinds of models take. */
export interface ModelOptions {
  /** @defaultValue `'v3'`, which `ai` 6 and 7 both take */
  specificationVersion?: SpecificationVersion;
  /** What results and telemetry call the model. @defaultValue the name of the model's folder */
  modelId?: string;
}

/** Options of {@link rerankingModel}. */
export interface RerankingModelOptions extends ModelOptions, RankingOptions {
  /**
   * Where the text of a document object is: the name of a field, or a function that returns it.
   * @defaultValue the field `text` where it is a string; else the whole object as JSON, with a warning
   */
  text?: string | ((document: JsonDocument) => string);
}

/** Options of {@link embeddingModel}. */
export interface EmbeddingModelOptions extends ModelOptions, EmbeddingOptions {
  /** What the texts are, for models with a prefix for each. @defaultValue none: texts as they are */
  kind?: EmbedTextOptions['kind'];
}

/**
 * A reranker as a model for `rerank()`.
 *
 * Of its options, `query`, `documents`, `topN`, `abortSignal` (work in flight ends) and `maxRetries` (only of a full queue,
 * which comes as an `APICallError` with its time to wait; other errors are `CrossrankError`s, and not retried) are
 * honoured. `providerOptions.crossrank` takes the options of `Reranker.rerank` for this call, and `text`, the field of
 * document objects. `headers` have no meaning here and warn. `providerMetadata.crossrank` has `usage`, `timings`, how many
 * documents were `truncated`, and with `longDocuments` the best `spans`. Where `timeoutMs` passes and `onTimeout` is
 * `'partial'`, a warning says so and documents that were not scored have the score NaN.
 *
 * @param ranker - A `Reranker`, or another ranker, which may know fewer options
 * @param options - Of every call; see also `Reranker.rerank`
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MISSING_PACKAGE` or `ERR_PACKAGE_VERSION`
 */
export function rerankingModel(
  ranker: Ranker,
  options: RerankingModelOptions & { specificationVersion: 'v4' },
): RerankingModel<'v4'>;
export function rerankingModel(
  ranker: Ranker,
  options?: RerankingModelOptions & { specificationVersion?: 'v3' },
): RerankingModel;
export function rerankingModel(
  ranker: Ranker,
  options: RerankingModelOptions = {},
): RerankingModel<SpecificationVersion> {
  const { own, call } = splitOptions<ModelOptions & { text?: TextOption }, RankingOptions>(
    options,
    ['specificationVersion', 'modelId', 'text'],
    RANKING_OPTIONS,
  );
  return {
    ...identity(ranker instanceof Reranker ? modelName(ranker.info().model) : 'ranker', own),
    async doRerank({ documents, query, topN, abortSignal, providerOptions, headers }) {
      const { own: asked, call: askedCall } = splitOptions<{ text?: string }, RankingOptions>(
        providerOptions?.crossrank ?? {},
        ['text'],
        RANKING_OPTIONS,
      );
      const warnings = warningsOfHeaders(headers);
      const texts = readDocuments(documents, asked.text ?? own.text, warnings);
      const signalAndDepth = { topK: topN, signal: abortSignal };
      const answer = await mapped(ranker.rerank(query, texts, { ...call, ...askedCall, ...signalAndDepth }));
      if (answer.degraded) {
        const message = `the call took too long: ${answer.scored} of ${texts.length} documents were scored`;
        warnings.push({ type: 'other', message });
      }
      const ranking = answer.results.map(({ index, score }) => ({ index, relevanceScore: score }));
      return { ranking, providerMetadata: { crossrank: metadataOf(answer) }, warnings };
    },
  };
}

/**
 * An embedder as a model for `embed()` and `embedMany()`.
 *
 * Of their options, `value` or `values` (any number in one call), `abortSignal` and `maxRetries` (as {@link rerankingModel}
 * does) are honoured. `providerOptions.crossrank` takes `kind` (`'query'` or `'document'`), `maxLength`, `timeoutMs`,
 * `priority` and `cache` for this call. `headers`, and `dimensions` other than the model's, warn.
 *
 * @param options - Of every call
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MISSING_PACKAGE` or `ERR_PACKAGE_VERSION`
 */
export function embeddingModel(
  embedder: TextEmbedder,
  options: EmbeddingModelOptions & { specificationVersion: 'v4' },
): EmbeddingModel<'v4'>;
export function embeddingModel(
  embedder: TextEmbedder,
  options?: EmbeddingModelOptions & { specificationVersion?: 'v3' },
): EmbeddingModel;
export function embeddingModel(
  embedder: TextEmbedder,
  options: EmbeddingModelOptions = {},
): EmbeddingModel<SpecificationVersion> {
  type Call = EmbeddingOptions & Pick<EmbedTextOptions, 'kind'>;
  const callOptions = [...EMBEDDING_OPTIONS, 'kind'] as const;
  const { own, call } = splitOptions<ModelOptions, Call>(
    options,
    ['specificationVersion', 'modelId'],
    callOptions,
  );
  return {
    ...identity(embedder.space.model, own),
    maxEmbeddingsPerCall: Number.POSITIVE_INFINITY, // batches are the engine's business
    supportsParallelCalls: true,
    async doEmbed({ values, dimensions, abortSignal, providerOptions, headers }) {
      const asked = splitOptions<object, Call>(providerOptions?.crossrank ?? {}, [], callOptions);
      const warnings = warningsOfHeaders(headers);
      const { dimension } = embedder.space;
      if (dimensions !== undefined && dimensions !== dimension) {
        const details = `the model's embeddings have ${dimension} dimensions, and are not cut to ${dimensions}`;
        warnings.push({ type: 'unsupported', feature: 'dimensions', details });
      }
      const vectors = await mapped(embedder.embed(values, { ...call, ...asked.call, signal: abortSignal }));
      return { embeddings: vectors.map((vector) => Array.from(vector)), warnings };
    },
  };
}

type TextOption = string | ((document: JsonDocument) => string);

function identity(name: string, { specificationVersion = 'v3', modelId = name }: ModelOptions) {
  checkChoice('specificationVersion', specificationVersion, ['v3', 'v4']);
  checkText('modelId', modelId);
  requirePeer(INTEGRATION, AI);
  return { specificationVersion, provider: 'crossrank', modelId };
}

/** `ai` always sends a user agent; that is nobody's wish. */
function warningsOfHeaders(headers: Headers = {}): Warning[] {
  if (Object.keys(headers).every((name) => name.toLowerCase() === 'user-agent')) return [];
  return [{ type: 'unsupported', feature: 'headers', details: 'the model runs in this process' }];
}

function readDocuments(
  { type, values }: RerankingCall['documents'],
  text: TextOption | undefined,
  warnings: Warning[],
): string[] {
  if (type === 'text' || text !== undefined) return textsOf<string | JsonDocument>(values, text as 'text');
  const bare = values.findIndex(
    (document) => typeof document !== 'string' && typeof document?.text !== 'string',
  );
  if (bare === -1) return textsOf(values);
  warnings.push({
    type: 'compatibility',
    feature: 'object documents',
    details:
      `documents[${bare}] has no field "text" that is a string, and was read as JSON; name the field with the option ` +
      'text or with providerOptions.crossrank.text',
  });
  return values.map((document) => {
    if (typeof document === 'string') return document;
    return typeof document?.text === 'string' ? document.text : JSON.stringify(document);
  });
}

function metadataOf({
  results,
  degraded,
  scored,
  usage,
  timings,
}: RerankResponse<RankedDocument<string>>): JsonObject {
  const spans = results.flatMap(({ index, span }) => (span === undefined ? [] : [{ index, ...span }]));
  return {
    ...{ degraded, scored, truncated: results.filter(({ truncated }) => truncated).length },
    ...{ usage: { ...usage }, timings: { ...timings } },
    ...(spans.length === 0 ? {} : { spans }),
  };
}

/** `ai` tries again what comes as an APICallError that says it may, after the time that its headers name. */
async function mapped<R>(answer: Promise<R>): Promise<R> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof CrossrankError) || error.code !== 'ERR_QUEUE_FULL') throw error;
    const { APICallError } = await import('ai');
    throw new APICallError({
      message: error.message,
      url: 'crossrank:queue',
      requestBodyValues: {},
      statusCode: 429,
      ...(error.retryAfterMs === undefined
        ? {}
        : { responseHeaders: { 'retry-after-ms': String(Math.ceil(error.retryAfterMs)) } }),
      cause: error,
      isRetryable: true,
    });
  }
}
