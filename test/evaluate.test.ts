import { Reranker } from '../lib';
import { Embedder } from '../lib/embedder';
import { evaluationChart } from '../lib/evaluation/chart';
import { type Dataset, openDataset } from '../lib/evaluation/dataset';
import { type EvaluatedRanker, evaluate } from '../lib/evaluation/evaluate';
import { readRun } from '../lib/evaluation/files';
import { stageOfRun } from '../lib/evaluation/first-stage';
import { computeMetrics } from '../lib/evaluation/metrics';
import type { EvaluateOptions } from '../lib/evaluation/options';
import { stageOfSearch } from '../lib/evaluation/search-stage';
import type { ScoredDocument } from '../lib/evaluation/types';
import { fuse } from '../lib/search/fusion';
import { KeywordIndex } from '../lib/search/keyword-index';
import { MemoryStore } from '../lib/search/memory-store';
import type { StoredDocument, StoreHit } from '../lib/search/types';
import { expectWellFormed } from './support/bench';
import { fixture } from './support/models';

let mini: Dataset;
let run: Map<string, ScoredDocument[]>;
beforeAll(async () => {
  mini = await openDataset(fixture('evaluation/mini'));
  run = await readRun(fixture('evaluation/mini/runs/first.trec'));
});

/** Turns every list round: a ranker whose outcome is known. */
const reverse: EvaluatedRanker = {
  async rerank(_, documents) {
    return { results: documents.map((_, i) => ({ index: documents.length - 1 - i })), usage: { tokens: 10 } };
  },
};

function evaluateMini(ranker: EvaluatedRanker, options: EvaluateOptions = {}) {
  return evaluate(mini, stageOfRun(run), ranker, { resamples: 200, ...options });
}

/** The run with each query's first documents turned round, to measure on its own. */
function reversed(depth: number): Map<string, ScoredDocument[]> {
  return new Map(
    [...run].map(([query, found]) => [
      query,
      found
        .slice(0, depth)
        .reverse()
        .map(({ id }, i) => ({ id, score: -i })),
    ]),
  );
}

test('before and after are what the metrics say of the two rankings', async () => {
  const metrics = ['ndcg@3', 'map', 'recall@2', 'p@1', 'mrr'];
  const report = await evaluateMini(reverse, { metrics, initialK: 4 });
  const cut = new Map([...run].map(([query, found]) => [query, found.slice(0, 4)]));
  const before = computeMetrics(mini.qrels, cut, metrics);
  const after = computeMetrics(mini.qrels, reversed(4), metrics);
  expect(report.metrics.map(({ metric }) => metric)).toEqual(metrics);
  for (const each of report.metrics) {
    expect(each.before.mean).toBeCloseTo(before.mean[each.metric] as number, 12);
    expect(each.after.mean).toBeCloseTo(after.mean[each.metric] as number, 12);
    expect(each.difference.mean).toBeCloseTo(each.after.mean - each.before.mean, 12);
    for (const { mean, low, high } of [each.before, each.after, each.difference]) {
      expect(low).toBeLessThanOrEqual(mean);
      expect(mean).toBeLessThanOrEqual(high);
    }
  }
  for (const query of report.queries) {
    expect(query.before).toEqual(before.queries.get(query.id));
    expect(query.after).toEqual(after.queries.get(query.id));
  }
  expect(report).toMatchObject({ initialK: 4, pairs: 28, tokens: 70, withoutCandidates: 1, aborted: false });
});

test('wins, losses and ties are counted query by query', async () => {
  const report = await evaluateMini(reverse, { metrics: ['mrr'] });
  const changes = report.queries.map(({ before, after }) =>
    Math.sign((after.mrr as number) - (before.mrr as number)),
  );
  const count = (sign: number) => changes.filter((change) => change === sign).length;
  expect(report.metrics[0]).toMatchObject({ wins: count(1), losses: count(-1), ties: count(0) });
  expect(count(1)).toBeGreaterThan(0);
  expect(count(-1)).toBeGreaterThan(0);
});

test('a query without candidates is left out, or counts as 0', async () => {
  const found = await evaluateMini(reverse);
  const all = await evaluateMini(reverse, { complete: true });
  expect([found.queries.length, all.queries.length]).toEqual([7, 8]);
  expect(all.withoutCandidates).toBe(1);
  expect(all.queries.find(({ id }) => id === 'q8')).toMatchObject({ candidates: 0, before: { map: 0 } });
  const [first, complete] = [found.metrics[2], all.metrics[2]];
  expect(complete?.before.mean).toBeCloseTo(((first?.before.mean as number) * 7) / 8, 12);
});

test('each depth of a sweep is what it is on its own', async () => {
  const swept = await evaluateMini(reverse, { initialK: 3, sweep: [5, 2, 3] });
  expect(swept.sweep.map(({ initialK }) => initialK)).toEqual([2, 3, 5]);
  for (const depth of swept.sweep) {
    const { metrics, pairs } = await evaluateMini(reverse, { initialK: depth.initialK });
    expect(depth).toMatchObject({ metrics, pairs });
  }
  expect(swept.metrics).toEqual(swept.sweep[1]?.metrics);
  expect(swept.queries.every(({ candidates }) => candidates === 3)).toBe(true);
});

test('the seed draws the queries, and the same seed the same report', async () => {
  const drawn = async (seed: number) => {
    const { queries, metrics } = await evaluateMini(reverse, { queries: 3, seed, complete: true });
    return { ids: queries.map(({ id }) => id), metrics };
  };
  const first = await drawn(1);
  expect(first.ids).toHaveLength(3);
  expect(first.ids).toEqual([...first.ids].sort());
  expect(await drawn(1)).toEqual(first);
  const others = await Promise.all([2, 3, 4, 5].map(drawn));
  expect(others.some(({ ids }) => ids.join() !== first.ids.join())).toBe(true);
});

test('progress tells each step up to its end', async () => {
  const seen: string[] = [];
  await evaluateMini(reverse, {
    onProgress: ({ step, done, total }) => seen.push(`${step} ${done}/${total}`),
  });
  expect(seen).toEqual(expect.arrayContaining(['retrieve 0/8', 'retrieve 7/8', 'read 30/30', 'rerank 6/7']));
});

describe('an abort', () => {
  /** Aborts while it ranks for the third query. */
  function abortingRanker(controller: AbortController): EvaluatedRanker {
    let calls = 0;
    return {
      async rerank(query, documents, options) {
        if (++calls === 3) controller.abort(new Error('enough'));
        options.signal?.throwIfAborted();
        return reverse.rerank(query, documents, options);
      },
    };
  }

  test('rejects with its reason', async () => {
    const controller = new AbortController();
    const options = { signal: controller.signal };
    await expect(evaluateMini(abortingRanker(controller), options)).rejects.toThrow('enough');
  });

  test('leaves a report of what was done where that is asked for', async () => {
    const controller = new AbortController();
    const options = { signal: controller.signal, onAbort: 'partial' } as const;
    const report = await evaluateMini(abortingRanker(controller), options);
    expect(report.aborted).toBe(true);
    expect(report.queries.map(({ id }) => id)).toEqual(['q1', 'q2']);
    const whole = await evaluateMini(reverse);
    expect(report.queries.map(({ after }) => after)).toEqual(
      whole.queries.slice(0, 2).map(({ after }) => after),
    );
  });

  test('before the first query is done rejects either way', async () => {
    const options = { signal: AbortSignal.abort(new Error('at once')), onAbort: 'partial' } as const;
    await expect(evaluateMini(reverse, options)).rejects.toThrow('at once');
  });

  test('does not turn a failure of the ranker into a report', async () => {
    let calls = 0;
    const failing: EvaluatedRanker = {
      async rerank(query, documents, options) {
        if (++calls === 3) throw new Error('broken');
        return reverse.rerank(query, documents, options);
      },
    };
    await expect(evaluateMini(failing, { onAbort: 'partial' })).rejects.toThrow('broken');
  });
});

test('candidates that the corpus does not have are refused by name, or left out and counted', async () => {
  const stage = stageOfRun(
    new Map([
      ...run,
      [
        'q8',
        [
          { id: 'gone', score: 2 },
          { id: 'en-01', score: 1 },
        ],
      ],
    ]),
  );
  await expect(evaluate(mini, stage, reverse)).rejects.toMatchObject({
    code: 'ERR_DATASET_INVALID',
    message: expect.stringContaining(
      'the first stage found "gone" for query "q8", which the corpus of mini does not have',
    ),
  });
  const report = await evaluate(mini, stage, reverse, { unknown: 'ignore', resamples: 200 });
  expect(report.unknownCandidates).toBe(1);
  expect(report.queries.find(({ id }) => id === 'q8')).toMatchObject({ candidates: 1 });
});

test('a first stage that finds nothing at all is an error that says what to check', async () => {
  await expect(evaluate(mini, stageOfRun(new Map()), reverse)).rejects.toMatchObject({
    code: 'ERR_DATASET_INVALID',
    message: expect.stringContaining('nothing for any of 8 judged queries of mini'),
  });
});

test('rankings that name a document twice, or none there, are refused', async () => {
  const naming = (...indexes: number[]): EvaluatedRanker => ({
    rerank: async () => ({ results: indexes.map((index) => ({ index })) }),
  });
  await expect(evaluateMini(naming(0, 0))).rejects.toThrow('the ranker gave a document twice');
  await expect(evaluateMini(naming(6))).rejects.toThrow('for an index of the ranker but received 6');
  const twice = stageOfRun(
    new Map([
      [
        'q1',
        [
          { id: 'en-01', score: 1 },
          { id: 'en-01', score: 1 },
        ],
      ],
    ]),
  );
  await expect(evaluate(mini, twice, reverse)).rejects.toThrow('a document twice for query "q1"');
});

test.each<[object, string]>([
  [{ initialk: 5 }, 'Unknown option "initialk"; known are initialK'],
  [{ initialK: 0 }, 'an integer from 1 to 1000000 for initialK'],
  [{ sweep: 10 }, 'an array of at most 32 depths for sweep'],
  [{ sweep: [10, 0.5] }, 'for sweep[1] but received 0.5'],
  [{ metrics: [] }, "an array such as ['ndcg@10'] for metrics"],
  [{ metrics: ['f1'] }, 'for metric but received "f1"'],
  [{ queries: -1 }, 'for queries but received -1'],
  [{ resamples: 1 }, 'for resamples'],
  [{ confidence: 95 }, 'a number between 0 and 1 for confidence but received 95'],
  [{ seed: 1.5 }, 'for seed'],
  [{ complete: 'yes' }, 'a boolean for complete'],
  [{ unknown: 'warn' }, "one of 'error', 'ignore' for unknown"],
  [{ onProgress: true }, 'a function for onProgress'],
  [{ signal: {} }, 'an AbortSignal for signal'],
  [{ onAbort: 'stop' }, "one of 'error', 'partial' for onAbort"],
])('the options %j are refused', async (options, message) => {
  await expect(evaluateMini(reverse, options as EvaluateOptions)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining(message),
  });
});

test('the embedded model puts the relevant documents first', async () => {
  await using reranker = await Reranker.load();
  const { metrics, latencyMs, tokens } = await evaluateMini(reranker);
  expect(metrics[0]?.metric).toBe('ndcg@10');
  expect(metrics[0]?.difference.low).toBeGreaterThan(0);
  expect(metrics[0]?.after.mean).toBeGreaterThan(0.9);
  expect(latencyMs.p50).toBeGreaterThan(0);
  expect(tokens).toBeGreaterThan(0);
});

describe('a search as first stage', () => {
  let keywords: KeywordIndex;
  let embedder: Embedder;
  let store: MemoryStore;
  beforeAll(async () => {
    const documents: StoredDocument[] = [];
    for await (const document of mini.documents()) documents.push(document);
    keywords = await KeywordIndex.from(documents);
    embedder = await Embedder.load();
    store = await MemoryStore.open({ space: embedder.space });
    const vectors = await embedder.embed(
      documents.map(({ text }) => text),
      { kind: 'document' },
    );
    await store.add(documents.map((document, i) => ({ ...document, vector: vectors[i] as Float32Array })));
  });
  afterAll(async () => {
    await store.close();
    await embedder.dispose();
  });

  const query = { id: 'q5', text: '高铁票怎么退，要多少手续费' };
  const options = { topK: 5 };
  const searchDense = async () => {
    const [vector] = await embedder.embed([query.text], { kind: 'query' });
    return store.query(vector as Float32Array, options);
  };
  const idsOf = (hits: readonly StoreHit[]) =>
    hits.map(({ document, score }) => ({ id: document.id, score }));

  test('is what the keyword index finds', async () => {
    const found = await stageOfSearch({ keywords }).retrieve(query, 5);
    expect(found).toEqual(idsOf(await keywords.query(query.text, options)));
    expect(found[0]?.id).toBe('zh-01');
  });

  test('is what the vector store finds for the embedded query', async () => {
    const found = await stageOfSearch({ dense: { embedder, store } }).retrieve(query, 5);
    expect(found).toEqual(idsOf(await searchDense()));
    expect(found).toHaveLength(5);
  });

  test('is the fusion of both where there are both', async () => {
    const found = await stageOfSearch({ keywords, dense: { embedder, store } }).retrieve(query, 5);
    const lists = { dense: await searchDense(), keywords: await keywords.query(query.text, options) };
    expect(found).toEqual(fuse(lists, options).map(({ document, score }) => ({ id: document.id, score })));
  });

  test('is evaluated from end to end', async () => {
    const stage = stageOfSearch({ keywords, dense: { embedder, store } });
    const { queries, metrics } = await evaluate(mini, stage, reverse, { initialK: 10, resamples: 200 });
    expect(queries).toHaveLength(8);
    expect(metrics[0]?.before.mean).toBeGreaterThan(0.8);
    expect(metrics[0]?.after.mean).toBeLessThan(metrics[0]?.before.mean as number);
  });

  test('of nothing at all is refused', () => {
    expect(() => stageOfSearch({})).toThrow('Expected keywords, dense or both for sources');
  });
});

describe('the chart', () => {
  test('is well formed, names its axes and shows every query and depth', async () => {
    const report = await evaluateMini(reverse, { sweep: [2, 5] });
    const svg = evaluationChart({ ...report, dataset: 'a <b> & "c"' });
    expectWellFormed(svg);
    expect(svg).toContain('a &lt;b&gt; &amp; "c"');
    for (const text of ['value of the metric (0 to 1)', 'change of ndcg@10', 'time of a rerank call in ms']) {
      expect(svg).toContain(text);
    }
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg.match(/<title>q\d: /g)).toHaveLength(7);
    expect(svg.match(/<circle /g)).toHaveLength(2);
  });

  test('without a sweep has no panel for it', async () => {
    const svg = evaluationChart(await evaluateMini(reverse));
    expectWellFormed(svg);
    expect(svg).not.toContain('initialK');
  });
});
