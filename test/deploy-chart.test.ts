// deploy/helm says what the server does: flags, addresses and metrics that the chart names are there, and what it makes
// starts a server. `npm run check:deploy` has helm lint and kubeconform judge it.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import { parse } from 'yaml';
import { help } from '../lib/cli/serve';
import { LOG_LEVELS } from '../lib/server/log';
import { DOCKERFILE, promtool, readDeployed, serveAs, testPrometheus, valueAfter } from './support/deploy';
import { CHART, findHelm, type Manifest, render } from './support/helm';
import { samplesOf } from './support/metrics';
import { temporaryFolder } from './support/models';

const helm = findHelm();
if ('reason' in helm) console.warn(`what the chart makes is not tested: ${helm.reason}`);
const describeHelm = 'helm' in helm ? describe : describe.skip;
const manifests = (...args: string[]) => render('helm' in helm ? helm.helm : '', args);

describe('the chart', () => {
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8'));
  const values = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
  const template = readFileSync(join(CHART, 'templates/deployment.yaml'), 'utf8');
  const tried = readdirSync(join(CHART, 'ci')).map((name) => join(CHART, 'ci', name));

  test('has values that its schema knows, each of them, and no others', () => {
    const valid = new Ajv({ allowUnionTypes: true }).compile(schema);
    valid(values);
    expect(valid.errors).toBeNull();
    expect(Object.keys(schema.properties).sort()).toEqual(['global', ...Object.keys(values)].sort());
    expect(valid({ ...values, replica: 2 })).toBe(false);
    expect(valid({ ...values, tuned: { ...values.tuned, cpus: 0 } })).toBe(false);
    expect([...schema.properties.logLevel.enum].sort()).toEqual([...LOG_LEVELS].sort());
  });

  test('names flags and addresses that the server has', () => {
    const flags = template.match(/^ +- (--[a-z-]+)$/gm)?.map((line) => line.trim().slice(2)) ?? [];
    expect(flags).toEqual(expect.arrayContaining(['--host', '--drain-ms', '--model', '--api-key-file']));
    expect(flags.filter((flag) => !help.includes(`  ${flag}`))).toEqual([]);
    expect(template.match(/path: (\S+)$/gm)).toEqual(Array(3).fill('path: /health'));
  });

  test('scales on a metric that the server has, and the adapter serves it under that name', async () => {
    const { metric } = values.autoscaling.queue;
    const { url } = await serveAs(['serve']);
    const names = samplesOf(await (await fetch(`${url}/metrics`)).text()).map(({ name }) => name);
    expect(names).toContain(metric);
    const [rule] = parse(readDeployed('helm/prometheus-adapter-values.yaml')).rules.custom;
    expect(rule.name).toEqual({ matches: `^${metric}$`, as: metric });
    expect(rule.seriesQuery).toMatch(new RegExp(`^${metric}\\{`));
  });

  testPrometheus('has an adapter query that Prometheus takes', () => {
    const [rule] = parse(readDeployed('helm/prometheus-adapter-values.yaml')).rules.custom;
    const expr = rule.metricsQuery
      .replaceAll('<<.Series>>', values.autoscaling.queue.metric)
      .replaceAll('<<.LabelMatchers>>', 'namespace="a",pod=~"b|c"')
      .replaceAll('<<.GroupBy>>', 'pod');
    const file = join(temporaryFolder(), 'rules.json');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'a', rules: [{ record: 'queue', expr }] }] }));
    promtool('check', 'rules', file);
  });

  describeHelm('rendered', () => {
    const find = (all: Manifest[], kind: string) =>
      all.find((manifest) => manifest.kind === kind) as Manifest;
    const pod = (all: Manifest[]) => find(all, 'Deployment').spec.template.spec;

    test('starts a server that answers', async () => {
      const [{ args }] = pod(manifests()).containers;
      const { url } = await serveAs(args);
      expect((await fetch(`${url}/health`)).status).toBe(200);
    });

    test.each(tried)('waits longer than the pause and the drain together: %s', (file) => {
      const { terminationGracePeriodSeconds, containers } = pod(manifests('--values', file));
      const [{ args, lifecycle }] = containers;
      const pause = Number(lifecycle.preStop.exec.command[1]);
      const drain = Number(valueAfter(args, '--drain-ms')) / 1000;
      expect(terminationGracePeriodSeconds).toBeGreaterThan(pause + drain);
    });

    test('runs without root, capabilities or a file system to write to, but for its volumes', () => {
      for (const spec of [
        pod(manifests()),
        find(manifests(), 'CronJob').spec.jobTemplate.spec.template.spec,
      ]) {
        expect(spec).toMatchObject({
          automountServiceAccountToken: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 1000,
            seccompProfile: { type: 'RuntimeDefault' },
          },
        });
        expect(spec.containers[0].securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        const mounts = spec.containers[0].volumeMounts.map(
          ({ mountPath }: { mountPath: string }) => mountPath,
        );
        expect(mounts).toEqual(['/var/cache/crossrank', '/tmp']);
      }
      const { data } = find(manifests(), 'ConfigMap');
      expect(data).toEqual({
        HF_HOME: '/var/cache/crossrank/huggingface',
        CROSSRANK_CACHE: '/var/cache/crossrank',
      });
      for (const [name, value] of Object.entries(data)) expect(DOCKERFILE).toContain(`${name}=${value}`);
    });

    test('leaves the number of pods to the autoscaler, or sets it', () => {
      const scaled = manifests();
      expect(find(scaled, 'Deployment').spec.replicas).toBeUndefined();
      expect(find(scaled, 'HorizontalPodAutoscaler').spec.metrics).toMatchObject([
        { type: 'Pods', pods: { metric: { name: 'te_queue_size' }, target: { averageValue: '4' } } },
        { type: 'Resource', resource: { name: 'cpu' } },
      ]);
      const fixed = manifests('--set', 'autoscaling.enabled=false,replicas=3');
      expect(find(fixed, 'Deployment').spec.replicas).toBe(3);
      expect(find(fixed, 'HorizontalPodAutoscaler')).toBeUndefined();
    });

    test('gives a pod what tune found, and its profiles', () => {
      const name = `${'0a'.repeat(16)}.json`;
      const file = join(temporaryFolder(), 'values.json');
      writeFileSync(
        file,
        JSON.stringify({ tuned: { cpus: 6, memory: '3Gi', profiles: { [name]: '{\n  "version": 1\n}\n' } } }),
      );
      const all = manifests('--values', file);
      const [{ resources, volumeMounts }] = pod(all).containers;
      expect(resources).toEqual({
        requests: { cpu: '6', memory: '3Gi' },
        limits: { cpu: '6', memory: '3Gi' },
      });
      expect(volumeMounts).toContainEqual({
        name: 'profiles',
        mountPath: '/var/cache/crossrank/profiles',
        readOnly: true,
      });
      const profiles = all.find(({ metadata }) => metadata.name.endsWith('-profiles')) as Manifest;
      expect(JSON.parse(profiles.data[name])).toEqual({ version: 1 });
    });

    test.each([
      ['a misspelt value', 'autoscaling.maxReplica=3', /maxReplica/],
      ['a profile of no such name', 'tuned.profiles.other=a', /tuned/],
      [
        'autoscaling on nothing',
        'autoscaling.queue.enabled=false,autoscaling.cpu.enabled=false',
        /autoscaling needs/,
      ],
    ])('refuses %s', (_, set, message) => {
      expect(() => manifests('--set', set)).toThrow(message);
    });
  });
});
