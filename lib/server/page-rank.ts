import { withDeadline } from '../deadline';
import type { RerankerInfo } from '../info';
import type { LongDocuments } from '../long-documents';
import type { RankedIndex, RerankResponse } from '../response';
import { RequestFailure } from './failure';
import {
  embedderOrder,
  FIRST_STAGES,
  type FirstStageKind,
  type FirstStageOrder,
  givenOrder,
  keywordOrder,
} from './page-first-stage';
import { type DescribedModel, describeModel } from './page-served';
import { allTokens, type Circumstances, lengthOf, loaded, scoreSummary, timeLeft } from './run';

/** What the page asks: an API of its own, free to change with the page. */
export interface PageRequest {
  model?: string;
  query: string;
  documents: string[];
  firstStage: FirstStageKind;
  longDocuments: LongDocuments;
  topK?: number;
}

export const PAGE_REQUEST_SCHEMA = {
  type: 'object',
  required: ['query', 'documents', 'firstStage', 'longDocuments'],
  additionalProperties: false,
  properties: {
    model: { type: 'string' },
    query: { type: 'string' },
    documents: { type: 'array', items: { type: 'string' } },
    firstStage: { type: 'string', enum: FIRST_STAGES },
    longDocuments: { type: 'string', enum: ['truncate', 'window', 'chunk'] },
    topK: { type: 'integer', minimum: 1 },
  },
} as const;

export interface PageAnswer {
  id: string;
  model: DescribedModel & Pick<RerankerInfo, 'activation'>;
  firstStage: FirstStageOrder & { kind: FirstStageKind; model?: string };
  results: RankedIndex[];
  usage: RerankResponse<RankedIndex>['usage'];
  timings: RerankResponse<RankedIndex>['timings'] & {
    /** Until the order before reranking was known. */
    firstStageMs: number;
  };
}

/**
 * Both orders of the documents. `totalMs` is from here to the answer, loads included.
 * @throws RequestFailure, CrossrankError, or the signal's reason
 */
export async function rankForPage(request: PageRequest, circumstances: Circumstances): Promise<PageAnswer> {
  const started = performance.now();
  const { served, signal, maxDocuments } = circumstances;
  const { query, documents, longDocuments, topK } = request;
  Object.assign(served, { operation: 'rank', items: documents.length });
  if (documents.length > maxDocuments) {
    throw new RequestFailure(
      'too-many',
      `${documents.length} documents are more than the ${maxDocuments} of a request`,
      { field: 'documents' },
    );
  }
  const { model, reranker } = await loaded(circumstances, (pool) => pool.reranker(request.model));
  served.model = model.name;
  const begun = performance.now();
  const { tokens, ...firstStage } = await firstStageOf(request, circumstances);
  const firstStageMs = performance.now() - begun;
  const { results, usage, timings, degraded } = await reranker.rerank(query, documents, {
    returnDocuments: false,
    longDocuments,
    maxLength: lengthOf({}, reranker, circumstances),
    ...(topK === undefined ? {} : { topK }),
    timeoutMs: timeLeft(circumstances),
    signal,
  });
  const all = { ...timings, firstStageMs, totalMs: performance.now() - started };
  Object.assign(served, { tokens: allTokens(usage) + tokens, cached: usage.cached, degraded, timings: all });
  served.scores = scoreSummary(results.map(({ score }) => score));
  return {
    id: served.id,
    model: { ...describeModel(model), activation: reranker.info().activation },
    firstStage,
    results,
    usage,
    timings: all,
  };
}

async function firstStageOf(
  { query, documents, firstStage: kind }: PageRequest,
  circumstances: Circumstances,
): Promise<PageAnswer['firstStage'] & { tokens: number }> {
  const { signal } = circumstances;
  if (kind === 'given') return { kind, ...givenOrder(documents), tokens: 0 };
  if (kind === 'keywords') {
    const timeoutMs = timeLeft(circumstances);
    const order = await withDeadline(signal, timeoutMs, (within) => keywordOrder(query, documents, within));
    return { kind, ...order, tokens: 0 };
  }
  const { model, embedder } = await loaded(circumstances, (pool) => pool.embedder(undefined));
  const timeoutMs = timeLeft(circumstances);
  return {
    kind,
    model: model.name,
    ...(await embedderOrder(query, documents, embedder, { timeoutMs, signal })),
  };
}
