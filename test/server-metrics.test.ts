import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Embedder, Reranker } from '../lib';
import { GrowingCounts } from '../lib/server/metrics/growing-counts';
import { ServerMetrics } from '../lib/server/metrics/server-metrics';
import type { Served } from '../lib/server/served';
import { fixedPool, served } from './support/fixed-pool';
import { type Family, parseMetrics, sampleValue } from './support/metrics';
import { fixture } from './support/models';

const parser = parseMetrics('');
if ('reason' in parser) console.warn(`the parser of Prometheus is not tested: ${parser.reason}`);
const testParsed = 'reason' in parser ? test.skip : test;

const QUERY = 'which planet is red';
const DOCUMENTS = ['Mars looks red.', 'Venus is bright.', 'Jupiter is large.'];

describe('counts of engines', () => {
  test('go on where they were when an engine starts again at zero', () => {
    const counts = new GrowingCounts();
    expect(counts.totals()).toEqual([]);
    counts.update([5, 1]);
    counts.update([7, 1]);
    counts.update([0, 0]);
    expect(counts.totals()).toEqual([7, 1]);
    counts.update([3, 2]);
    expect(counts.totals()).toEqual([10, 3]);
    // One count alone that fell tells of a new engine: the others are new, too.
    counts.update([4, 1]);
    expect(counts.totals()).toEqual([14, 4]);
  });

  test('survive that the model is unloaded and loaded again', async () => {
    await using reranker = await Reranker.load(fixture('bert'), { idleUnloadMs: 200 });
    const metrics = new ServerMetrics(fixedPool({ mini: reranker }), '1.2.3');
    for (const round of [1, 2]) {
      await reranker.rerank(QUERY, DOCUMENTS, { cache: false });
      metrics.ended({ served: served(), status: 200, durationMs: 50 });
      while (reranker.info().loaded) await new Promise((resolve) => setTimeout(resolve, 10));
      const text = await metrics.text();
      expect(reranker.stats().scored.pairs).toBe(0);
      expect(sampleValue(text, 'crossrank_pairs_scored_total', { model: 'mini' })).toBe(3 * round);
      expect(sampleValue(text, 'crossrank_scores_count', { model: 'mini' })).toBe(3 * round);
      expect(sampleValue(text, 'crossrank_engine_requests_total', { outcome: 'answered' })).toBe(round);
      expect(sampleValue(text, 'crossrank_model_loaded', { model: 'mini', task: 'rerank' })).toBe(0);
    }
    metrics.close();
  });
});

describe('metrics of engines', () => {
  test('are those of stats(), of every model', async () => {
    await using mini = await Reranker.load(fixture('bert'));
    await using other = await Reranker.load(fixture('roberta'));
    await using embedder = await Embedder.load(fixture('bert-embedder'));
    const metrics = new ServerMetrics(fixedPool({ mini, other, embedder }), '1.2.3');
    await mini.rerank(QUERY, DOCUMENTS);
    await mini.rerank(QUERY, DOCUMENTS);
    await embedder.embed(DOCUMENTS);
    const text = await metrics.text();
    const stats = mini.stats();
    const of = (name: string, labels = {}) => sampleValue(text, name, { model: 'mini', ...labels });
    expect(of('crossrank_cache_hits_total')).toBe(3);
    expect(of('crossrank_cache_misses_total')).toBe(stats.cache.misses);
    expect(of('crossrank_cache_entries')).toBe(3);
    expect(of('crossrank_cache_bytes')).toBe(stats.cache.bytes);
    expect(of('crossrank_tokens_scored_total')).toBe(stats.scored.tokens);
    expect(of('crossrank_queue_limit_tokens')).toBe(stats.queue.maxTokens);
    expect(of('crossrank_latency_p99_seconds', { stage: 'total' })).toBeCloseTo(
      stats.latencyMs.total.p99 / 1000,
    );
    expect(of('crossrank_model_info', { task: 'rerank' })).toBe(1);
    let cumulative = 0;
    stats.scores.forEach((count, bin) => {
      cumulative += count;
      expect(of('crossrank_scores_bucket', { le: String((bin + 1) / 20) })).toBe(cumulative);
    });
    expect(of('crossrank_scores_bucket', { le: '+Inf' })).toBe(3);
    expect(sampleValue(text, 'crossrank_pairs_scored_total', { model: 'other' })).toBe(0);
    expect(sampleValue(text, 'crossrank_pairs_scored_total', { model: 'embedder' })).toBe(3);
    expect(text).not.toContain('crossrank_scores_count{model="embedder"}');
    expect(text).not.toContain('crossrank_latency_p50_seconds{stage="total",model="other"}');
    expect(sampleValue(text, 'te_queue_size')).toBe(0);
    metrics.close();
  });

  test('tell sizes of runs and inputs in the words of text-embeddings-inference, of all models together', async () => {
    await using mini = await Reranker.load(fixture('bert'));
    await using embedder = await Embedder.load(fixture('bert-embedder'));
    const metrics = new ServerMetrics(fixedPool({ mini, embedder }), '1.2.3');
    const value = async (name: string, labels = {}) => sampleValue(await metrics.text(), name, labels);
    expect(await value('te_batch_next_size_count')).toBe(0);
    expect(await value('te_batch_next_size_bucket', { le: '4096' })).toBe(0);
    const first = await mini.rerank(QUERY, DOCUMENTS);
    const second = await mini.rerank(QUERY, DOCUMENTS);
    const { usage } = await embedder.embedWithUsage(DOCUMENTS);
    const computed = first.usage.tokens + usage.tokens;
    expect(await value('te_batch_next_size_sum')).toBe(6);
    expect(await value('te_batch_next_tokens_sum')).toBe(computed);
    expect(await value('te_request_input_length_sum')).toBe(computed + second.usage.cachedTokens);
    expect(await value('te_request_input_length_count')).toBe(9);
    const runs = await value('te_batch_next_size_count');
    expect(runs).toBeGreaterThanOrEqual(2);
    expect(await value('te_batch_next_tokens_bucket', { le: '1048576' })).toBe(runs);
    expect(await value('te_batch_next_tokens_bucket', { le: '+Inf' })).toBe(runs);
    const lengths = (await embedder.tokenize(DOCUMENTS)).map(({ ids }) => ids.length + 2);
    const { tokens: pair } = (await mini.rerank(QUERY, [DOCUMENTS[0] as string], { cache: false })).usage;
    expect(Math.max(...lengths)).toBeLessThanOrEqual(16);
    expect(pair).toBeGreaterThan(8);
    const upTo8 = lengths.filter((length) => length <= 8).length;
    expect(await value('te_request_input_length_bucket', { le: '8' })).toBe(upTo8);
    expect(await value('te_request_input_length_bucket', { le: '64' })).toBe(10);
    metrics.close();
  });
});

describe('metrics of requests', () => {
  const metrics = new ServerMetrics(fixedPool({}), '1.2.3');
  const end = (of: Partial<Served>, status = 200) => {
    metrics.started();
    metrics.ended({ served: served(of), status, durationMs: 50 });
  };

  afterAll(() => metrics.close());

  test('count by API, route, model and status, and in the words of text-embeddings-inference', async () => {
    end({});
    end({ cached: 1 });
    end({ operation: 'embed', api: 'openai', path: '/v1/embeddings', model: 'e5', items: 1, tokens: 7 });
    end({ failure: 'queue-full' }, 429);
    end({ failure: 'invalid', operation: undefined, model: undefined }, 422);
    end(
      { failure: 'not-found', api: undefined, path: undefined, operation: undefined, model: undefined },
      404,
    );
    end({ disconnected: true }, 499);
    metrics.started();
    const text = await metrics.text();
    const value = (name: string, labels = {}) => sampleValue(text, name, labels);
    const rank = { api: 'jina', route: '/v1/rerank', model: 'mini' };
    expect(value('crossrank_requests_total', { ...rank, status: '200' })).toBe(2);
    expect(value('crossrank_requests_total', { ...rank, status: '429' })).toBe(1);
    expect(value('crossrank_requests_total', { ...rank, status: '499' })).toBe(1);
    expect(
      value('crossrank_requests_total', { route: 'other', api: 'none', model: 'none', status: '404' }),
    ).toBe(1);
    expect(value('crossrank_request_failures_total', { api: 'jina', kind: 'queue-full' })).toBe(1);
    expect(value('crossrank_requests_disconnected_total', { api: 'jina' })).toBe(1);
    expect(value('crossrank_requests_in_flight')).toBe(1);
    expect(value('crossrank_request_duration_seconds_count', { operation: 'rank', model: 'mini' })).toBe(2);
    expect(value('crossrank_request_tokens_total', { operation: 'rank', model: 'mini' })).toBe(80);
    expect(value('crossrank_stage_duration_seconds_sum', { stage: 'compute', model: 'mini' })).toBeCloseTo(
      0.06,
    );
    expect(value('te_request_count', { method: 'batch' })).toBe(4);
    expect(value('te_request_count', { method: 'single' })).toBe(1);
    expect(value('te_request_success', { method: 'batch' })).toBe(2);
    expect(value('te_request_failure', { err: 'overloaded' })).toBe(1);
    expect(value('te_request_failure', { err: 'validation' })).toBe(1);
    expect(value('te_predict_count')).toBe(12);
    expect(value('te_predict_success')).toBe(6);
    expect(value('te_embed_success')).toBe(1);
    expect(value('te_request_duration_count')).toBe(3);
    expect(value('te_request_queue_duration_sum')).toBeCloseTo(0.006);
  });

  testParsed('are read by the parser of Prometheus, with the types they should have', async () => {
    const families = parseMetrics(await metrics.text()) as Family[];
    const types = Object.fromEntries(families.map(({ name, type }) => [name, type]));
    expect(types).toMatchObject({
      // The parser takes `_total` away.
      crossrank_requests: 'counter',
      crossrank_request_duration_seconds: 'histogram',
      crossrank_scores: 'histogram',
      crossrank_queue_tokens: 'gauge',
      te_request_count: 'counter',
      te_request_duration: 'histogram',
      te_queue_size: 'gauge',
      te_batch_next_size: 'histogram',
      te_request_input_length: 'histogram',
      process_cpu_seconds: 'counter',
    });
    for (const { name, type, help, samples } of families) {
      expect({ name, type, help: help.length > 0 }).toEqual({
        name,
        type: expect.not.stringMatching(/unknown|untyped/),
        help: true,
      });
      if (type === 'counter') for (const { value } of samples) expect(value).toBeGreaterThanOrEqual(0);
    }
    const sizes = new Set(families.map(({ name }) => name));
    expect(sizes.size).toBe(families.length);
  });
});

describe('metrics of several workers', () => {
  test('add up, whichever is asked, and do not fall when one ends', async () => {
    const program = join(__dirname, 'support', 'metrics-cluster.js');
    const { stdout } = await promisify(execFile)(process.execPath, [program], {
      maxBuffer: 16 * 1024 * 1024,
    });
    const { first, afterLoss, afterFresh } = JSON.parse(stdout);
    const requests = (text: string) => sampleValue(text, 'crossrank_requests_total', { api: 'jina' });
    expect(first.map(requests)).toEqual([6, 6, 6]);
    for (const text of first) {
      expect(sampleValue(text, 'crossrank_processes')).toBe(3);
      expect(sampleValue(text, 'crossrank_build_info')).toBe(1);
      expect(sampleValue(text, 'te_request_duration_count')).toBe(6);
      expect(sampleValue(text, 'process_start_time_seconds')).toBeLessThan(Date.now() / 1000 + 1);
    }
    expect(requests(afterLoss)).toBe(6);
    expect(sampleValue(afterLoss, 'crossrank_processes')).toBe(2);
    expect(sampleValue(afterLoss, 'crossrank_requests_in_flight')).toBe(0);
    expect(requests(afterFresh)).toBe(16);
    expect(sampleValue(afterFresh, 'crossrank_processes')).toBe(3);
  });
});
