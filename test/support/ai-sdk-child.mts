// What `ai` 7, which is an ES module, makes of the models.
import { APICallError, embedMany, rerank } from 'ai-7';
import { CrossrankError, Embedder, type Ranker, Reranker } from 'crossrank';
import { embeddingModel, rerankingModel } from 'crossrank/ai-sdk';

const query = 'Which planet is red?';
const documents = [
  'Bread is made of flour and water.',
  'Mars is often called the Red Planet.',
  'Venus is the second planet from the Sun.',
];
let warnings = 0;
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: () => warnings++ });

await using reranker = await Reranker.load();
await using embedder = await Embedder.load();
const order = (answer: { ranking: { originalIndex: number }[] }) =>
  answer.ranking.map(({ originalIndex }) => originalIndex);
const v3 = order(await rerank({ model: rerankingModel(reranker), query, documents }));
const v4Model = rerankingModel(reranker, { specificationVersion: 'v4' });
const v4 = order(await rerank({ model: v4Model, query, documents }));
const embeddingV4 = embeddingModel(embedder, { specificationVersion: 'v4' });
const { embeddings } = await embedMany({ model: embeddingV4, values: documents });

/** Refuses the first so many calls. */
function refusing(times: number, error: CrossrankError): { ranker: Ranker; attempts: () => number } {
  let attempts = 0;
  const ranker: Ranker = {
    async rerank(query, documents, options) {
      if (attempts++ < times) throw error;
      return reranker.rerank(query, documents, options);
    },
  };
  return { ranker, attempts: () => attempts };
}

const full = new CrossrankError('ERR_QUEUE_FULL', 'too much waits', { retryAfterMs: 1.5 });
const twice = refusing(2, full);
const { ranking } = await rerank({ model: rerankingModel(twice.ranker), query, documents: [documents[1] as string] });

const always = refusing(Number.POSITIVE_INFINITY, full);
const neverRetried = await rerank({
  model: rerankingModel(always.ranker),
  ...{ query, documents, maxRetries: 0 },
}).catch((error: unknown) => error);
if (!APICallError.isInstance(neverRetried)) throw neverRetried;

const wrong = refusing(1, new CrossrankError('ERR_INVALID_ARGUMENT', 'wrong'));
const invalid = await rerank({ model: rerankingModel(wrong.ranker), query, documents }).catch(
  (error: unknown) => error,
);

console.log(
  JSON.stringify({
    ...{ v3, v4, embedded: embeddings.length },
    refusedTwice: { attempts: twice.attempts(), best: ranking[0]?.originalIndex },
    neverRetried: {
      name: neverRetried.name,
      statusCode: neverRetried.statusCode,
      cause: (neverRetried.cause as CrossrankError).code,
      retryAfter: neverRetried.responseHeaders?.['retry-after-ms'],
    },
    invalid: { attempts: wrong.attempts(), code: (invalid as CrossrankError).code },
    warnings,
  }),
);
