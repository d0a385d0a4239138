import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Embedder, Reranker } from '../lib';
import { GrowingCounts } from '../lib/server/metrics/growing-counts';
import { ServerMetrics } from '../lib/server/metrics/server-metrics';
import { fixedPool, served } from './support/fixed-pool';
import { sampleValue } from './support/metrics';
import { fixture } from './support/models';

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
