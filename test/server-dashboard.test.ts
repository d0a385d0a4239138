import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../bench/free-port';
import { Embedder, Reranker } from '../lib';
import type { FailureKind } from '../lib/server/failure';
import { ServerMetrics } from '../lib/server/metrics/server-metrics';
import { ChildServer } from './support/child-server';
import { debianPackage } from './support/debian-package';
import { fixedPool, served } from './support/fixed-pool';
import { samplesOf } from './support/metrics';
import { fixture, ROOT, temporaryFolder } from './support/models';

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { h: number; w: number; x: number; y: number };
  fieldConfig?: { defaults: { unit?: string } };
  options?: { yAxis?: { unit?: string } };
  targets?: { expr: string; refId: string; datasource: unknown }[];
}

interface QueryAnswer {
  status: string;
  error?: string;
  data: { result: { value: [number, string] }[] };
}

interface RulesAnswer {
  data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] };
}

const DASHBOARD = readFileSync(join(ROOT, 'deploy/grafana/crossrank.json'), 'utf8');
const ALERTS = join(ROOT, 'deploy/prometheus/alerts.yml');
const CONFIG = join(ROOT, 'deploy/prometheus/prometheus.yml');

const dashboard: {
  panels: Panel[];
  templating: { list: { name: string; definition?: string }[] };
  annotations: { list: { expr?: string }[] };
} = JSON.parse(DASHBOARD);
const panels = dashboard.panels.filter(({ type }) => type !== 'row');
const expressions = [
  ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.flatMap(({ expr }) => expr ?? []),
];

const prometheus = debianPackage('prometheus');
if ('reason' in prometheus)
  console.warn(`what Prometheus says of the metrics is not tested: ${prometheus.reason}`);
const describePrometheus = 'folder' in prometheus ? describe : describe.skip;

let reranker: Reranker;
let embedder: Embedder;
let metrics: ServerMetrics;

/** One more of every kind of request. */
async function traffic(): Promise<void> {
  const documents = [0, 1, 2].map((i) => `document ${i} of ${metrics}`);
  await reranker.rerank('a query', documents);
  await embedder.embed(documents);
  const failures: FailureKind[] = ['invalid', 'queue-full', 'internal'];
  for (const of of [
    {},
    { disconnected: true },
    { operation: 'embed', api: 'openai', model: 'embedder' } as const,
    ...failures.map((failure) => ({ failure })),
    { api: undefined, path: '/health', operation: undefined, model: undefined, timings: undefined },
  ]) {
    metrics.started();
    metrics.ended({ served: served(of), status: 200, durationMs: 30 });
  }
}

beforeAll(async () => {
  reranker = await Reranker.load(fixture('bert'));
  embedder = await Embedder.load(fixture('bert-embedder'));
  metrics = new ServerMetrics(fixedPool({ mini: reranker, embedder }), '1.2.3');
  await traffic();
});

afterAll(async () => {
  metrics.close();
  await reranker.dispose();
  await embedder.dispose();
});

describe('the dashboard', () => {
  test('says of each panel what it shows and in which unit', () => {
    expect(panels.length).toBeGreaterThan(20);
    for (const { type, title, description, fieldConfig, options, targets } of panels) {
      expect({ title, described: (description ?? '').length > 15 }).toEqual({ title, described: true });
      const unit = fieldConfig?.defaults.unit ?? options?.yAxis?.unit;
      if (type !== 'table') expect({ title, unit }).toEqual({ title, unit: expect.any(String) });
      expect(targets?.length).toBeGreaterThan(0);
      for (const { datasource } of targets ?? [])
        expect(datasource).toEqual({ type: 'prometheus', uid: '$' + '{datasource}' });
      const ids = targets?.map(({ refId }) => refId);
      expect(new Set(ids).size).toBe(ids?.length);
    }
  });

  test('has no panel on another, and no identifier twice', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const overlap = panels.flatMap(({ title, gridPos: a }, i) =>
      panels
        .slice(i + 1)
        .filter(({ gridPos: b }) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h)
        .map((other) => [title, other.title]),
    );
    expect(overlap).toEqual([]);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });

  test('asks no other host, and lets one choose source, instance and model', () => {
    expect(DASHBOARD).not.toMatch(/https?:/);
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(['datasource', 'instance', 'model']);
  });

  test('and the alerts name only metrics that are there', async () => {
    const text = await metrics.text();
    const there = new Set(samplesOf(text).map(({ name }) => name));
    // Histograms of garbage collection have no samples before the first.
    for (const [, name] of text.matchAll(/^# TYPE (\S+) histogram$/gm))
      for (const part of ['bucket', 'sum', 'count']) there.add(`${name}_${part}`);
    const variables = dashboard.templating.list.map(({ definition = '' }) => definition);
    const all = [...expressions, ...variables, readFileSync(ALERTS, 'utf8')].join('\n');
    const named = new Set(all.match(/\b(?:crossrank|te|process|nodejs)_[a-z0-9_]+/g));
    expect(named.size).toBeGreaterThan(30);
    expect([...named].filter((name) => !there.has(name))).toEqual([]);
  });
});

describePrometheus('Prometheus', () => {
  const program = (name: string) => join('folder' in prometheus ? prometheus.folder : '', 'usr/bin', name);

  function promtool(args: readonly string[], input = ''): string {
    const { status, stdout, stderr } = spawnSync(program('promtool'), args, { input, encoding: 'utf8' });
    if (status !== 0 && status !== 3) throw new Error(`promtool ${args.join(' ')}: ${stderr}${stdout}`);
    return stderr;
  }

  test('takes the configuration and the alerts', () => {
    promtool(['check', 'config', CONFIG]);
    promtool(['check', 'rules', ALERTS]);
  });

  test('takes the metrics, and finds nothing to improve in ours', async () => {
    const text = await metrics.text();
    const improvements = promtool(['check', 'metrics'], text).split('\n');
    // The names of text-embeddings-inference and of Node.js are theirs.
    expect(improvements.filter((line) => line.startsWith('crossrank_'))).toEqual([]);
    expect(improvements.filter((line) => line.startsWith('te_')).length).toBeGreaterThan(0);
  });

  test('warns of a full queue, and not of one request that was refused', () => {
    const file = join(temporaryFolder(), 'alerts.test.yml');
    const series = (refused: string) => `
      - series: 'crossrank_request_failures_total{instance="a",api="jina",kind="queue-full"}'
        values: '${refused}'
      - series: 'crossrank_requests_total{instance="a",api="jina",status="429"}'
        values: '0+600x30'`;
    const expected = `
            - exp_labels: {severity: warning, instance: a}
              exp_annotations:
                summary: a refuses 10% of its requests
                description: More comes in than the machine computes. Add machines, or take a smaller model, a lower precision or fewer documents.`;
    const testOf = (refused: string, alerts: string) => `
  - interval: 1m
    input_series:${series(refused)}
    alert_rule_test:
      - eval_time: 20m
        alertname: CrossrankQueueFull
        exp_alerts:${alerts}`;
    writeFileSync(
      file,
      `rule_files: [${ALERTS}]\ntests:${testOf('0+60x30', expected)}${testOf('0 1 1x28', ' []')}\n`,
    );
    promtool(['test', 'rules', file]);
  });

  test('scrapes them, and evaluates every expression of the dashboard and the alerts', async () => {
    const scraped = createServer((_, response) => {
      void traffic()
        .then(() => metrics.text())
        .then((text) => response.setHeader('content-type', ServerMetrics.contentType).end(text));
    }).listen(0, '127.0.0.1');
    await once(scraped, 'listening');
    const folder = temporaryFolder();
    const target = `127.0.0.1:${(scraped.address() as AddressInfo).port}`;
    const config = readFileSync(CONFIG, 'utf8')
      .replace('127.0.0.1:8080', target)
      .replace('- alerts.yml', `- ${ALERTS}`)
      .replaceAll('15s', '200ms');
    writeFileSync(join(folder, 'prometheus.yml'), config);
    const port = await freePort();
    const server = new ChildServer(
      port,
      [
        program('prometheus'),
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      '/-/ready',
    );
    await server.start();
    try {
      await until(
        async () => Number((await query('count_over_time(up{job="crossrank"}[1m])'))[0]?.value[1]) >= 5,
      );
      const empty: string[] = [];
      for (const expression of expressions) {
        const filled = expression
          .replaceAll('$__rate_interval', '1m')
          .replaceAll('$__interval', '1m')
          .replaceAll(/\$(instance|model)/g, '.*');
        if ((await query(filled)).length === 0) empty.push(expression);
      }
      expect(empty.filter((expression) => !/nodejs_gc|> 0$/.test(expression))).toEqual([]);
      await until(async () => (await alerts()).every(({ health }) => health !== 'unknown'));
      expect((await alerts()).length).toBeGreaterThan(5);
      for (const { name, health, lastError } of await alerts())
        expect({ name, health, lastError }).toEqual({ name, health: 'ok' });
    } finally {
      await server.kill();
      scraped.close();
      scraped.closeAllConnections();
    }

    async function alerts(): Promise<RulesAnswer['data']['groups'][number]['rules']> {
      const { data } = (await (await fetch(`${server.url}/api/v1/rules`)).json()) as RulesAnswer;
      return data.groups.flatMap(({ rules }) => rules);
    }

    async function query(expression: string): Promise<{ value: [number, string] }[]> {
      const answer = await fetch(`${server.url}/api/v1/query?${new URLSearchParams({ query: expression })}`);
      const { status, data, error } = (await answer.json()) as QueryAnswer;
      expect({ expression, status, error }).toEqual({ expression, status: 'success' });
      return data.result;
    }
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await wait(50);
}
