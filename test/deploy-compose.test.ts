// deploy/compose.yaml and deploy/Dockerfile say what the server does: files, ports, flags and metrics that they name are
// there. Whether Compose and Docker take them, `npm run check:deploy` asks their own tools.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { BULK_PEERS } from '../lib/bulk/peers';
import { help } from '../lib/cli/serve';
import { CliProcess } from './support/cli-process';
import {
  DEPLOY,
  DOCKERFILE,
  promtool,
  readDeployed,
  serveAs,
  testPrometheus,
  valueAfter,
} from './support/deploy';
import { samplesOf } from './support/metrics';
import { ROOT } from './support/models';
import { RedisServer, redisProgram } from './support/redis-server';

interface Service {
  image: string;
  build?: { context: string; dockerfile: string };
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes: string[];
  healthcheck?: { test: string[] } | { disable: true };
  profiles?: string[];
  stop_grace_period?: string;
}

const compose: { services: Record<string, Service>; volumes: object } = parse(readDeployed('compose.yaml'), {
  merge: true,
});
const service = (name: string) => compose.services[name] as Service;

describe('compose.yaml', () => {
  const mounts = Object.values(compose.services).flatMap(({ volumes }) =>
    volumes.map((volume) => volume.split(':') as [string, string, string?]),
  );

  test('mounts files that are there, and volumes that it has', () => {
    const files = mounts.filter(([source]) => source.startsWith('.'));
    expect(files.length).toBeGreaterThanOrEqual(4);
    for (const [source, , mode] of files) {
      expect({ source, exists: existsSync(join(DEPLOY, source)), mode }).toEqual({
        source,
        exists: true,
        mode: 'ro',
      });
    }
    const names = new Set(mounts.filter(([source]) => !source.startsWith('.')).map(([source]) => source));
    expect([...names].sort()).toEqual(Object.keys(compose.volumes).sort());
  });

  test('pins every image, opens ports to this machine alone, and asks each service for its health', () => {
    for (const [name, { image, build, ports, healthcheck }] of Object.entries(compose.services)) {
      if (build === undefined)
        expect({ name, image }).toEqual({ name, image: expect.stringMatching(/:v?\d+\.\d+\.\d+/) });
      if (ports === undefined) {
        expect({ name, healthcheck }).toEqual({ name: 'worker', healthcheck: { disable: true } }); // it serves nothing
        continue;
      }
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
      const isAsked =
        (healthcheck !== undefined && 'test' in healthcheck) ||
        (healthcheck === undefined && build !== undefined && DOCKERFILE.includes('HEALTHCHECK'));
      expect({ name, isAsked }).toEqual({ name, isAsked: true });
    }
    const { build } = service('server');
    expect(existsSync(join(DEPLOY, build?.context ?? '', build?.dockerfile ?? ''))).toBe(true);
  });

  test('starts a server that answers, with the metrics that it is scraped for', async () => {
    const { command = [], ports = [], stop_grace_period = '' } = service('server');
    expect(valueAfter(command, '--host')).toBe('0.0.0.0');
    expect(Number.parseInt(stop_grace_period, 10) * 1000).toBeGreaterThan(
      Number(valueAfter(command, '--drain-ms')),
    );
    const { url } = await serveAs(command);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const config = parse(readDeployed('prometheus/compose.yml'));
    const [{ metrics_path, dns_sd_configs }] = config.scrape_configs;
    expect(samplesOf(await (await fetch(url + metrics_path)).text()).length).toBeGreaterThan(10);
    expect(dns_sd_configs[0].names).toEqual(['server']);
    expect(ports[0]).toMatch(new RegExp(`:${dns_sd_configs[0].port}$`));
    expect(/\(default (\d+)\)/.exec(help.split('--port N')[1] as string)?.[1]).toBe(
      String(dns_sd_configs[0].port),
    );
  });

  test('shows Grafana where Prometheus is, and our dashboard', () => {
    const [datasource] = parse(readDeployed('grafana/provisioning/datasources/prometheus.yaml')).datasources;
    const { hostname, port } = new URL(datasource.url);
    expect(service(hostname).ports?.[0]).toMatch(new RegExp(`:${port}$`));
    const [provider] = parse(readDeployed('grafana/provisioning/dashboards/crossrank.yaml')).providers;
    const dashboard = `${provider.options.path}/crossrank.json`;
    const { volumes, environment } = service('grafana');
    expect(volumes).toContain(`./grafana/crossrank.json:${dashboard}:ro`);
    expect(environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(dashboard);
    const { templating } = JSON.parse(readDeployed('grafana/crossrank.json'));
    expect(templating.list[0]).toMatchObject({ name: 'datasource', query: datasource.type });
    const scraped = parse(readDeployed('prometheus/compose.yml')).global.scrape_interval;
    expect(datasource.jsonData.timeInterval).toBe(scraped);
  });

  test('has a worker for who asks for one, with the Redis that is there and the packages that it needs', async () => {
    const { command = [], environment, profiles } = service('worker');
    expect(profiles).toEqual(['bulk']);
    const { hostname, port } = new URL(environment?.REDIS_URL as string);
    expect(service(hostname).ports?.[0]).toMatch(new RegExp(`:${port}$`));
    for (const { name } of BULK_PEERS) expect(DOCKERFILE).toContain(`'dependencies.${name}=*'`);
    const redis = await RedisServer.start(redisProgram());
    const worker = new CliProcess(command, { env: { REDIS_URL: redis.url } });
    await worker.says(/^ready/m);
    worker.child.kill('SIGTERM');
    expect(await worker.ended()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^ready: crossrank-mini/),
    });
    await redis.kill();
  });

  test('keeps what Redis is given', () => {
    const { command = [], volumes } = service('redis');
    expect(valueAfter(command, '--appendonly')).toBe('yes');
    expect(valueAfter(command, '--maxmemory-policy')).toBe('noeviction');
    expect(volumes).toEqual(['redis:/data']);
  });

  testPrometheus('has a configuration that Prometheus takes', () => {
    promtool('check', 'config', join(DEPLOY, 'prometheus/compose.yml'));
  });
});

describe('the image', () => {
  test('asks the server for its health as it is', async () => {
    const [, list] = /HEALTHCHECK [^[]*CMD (\[.*\])$/m.exec(DOCKERFILE) ?? [];
    const [program, ...args] = JSON.parse(list as string) as [string, ...string[]];
    expect(program).toBe('node');
    const { url, stop } = await serveAs(['serve']);
    const ask = (port: string) =>
      spawnSync(
        process.execPath,
        args.map((each) => each.replace('8080', port)),
      ).status;
    expect(args.join()).toContain(':8080/');
    expect(ask(new URL(url).port)).toBe(0);
    await stop();
    expect(ask(new URL(url).port)).toBe(1);
  });

  test('runs as a user that is not root, without a shell between, and its floor is the one it states', () => {
    const last = DOCKERFILE.slice(DOCKERFILE.lastIndexOf('\nFROM '));
    expect(last).toMatch(/^USER 1000:1000$/m);
    expect(last).toMatch(/^ENTRYPOINT \["node", /m);
    expect(last).toMatch(/^CMD \["serve", "--host", "0\.0\.0\.0"\]$/m);
    const [, floor] = /^ARG GLIBC_FLOOR=(\S+)$/m.exec(DOCKERFILE) ?? [];
    expect(DOCKERFILE).toContain(`glibc ${floor}`);
    expect(readDeployed('README.md')).toContain(`glibc ${floor}`);
  });

  test('is built from all that the package is made of', () => {
    const lines = readDeployed('Dockerfile.dockerignore').split('\n');
    expect(lines).toContain('*');
    const taken = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    for (const name of taken)
      expect({ name, exists: existsSync(join(ROOT, name)) }).toEqual({ name, exists: true });
    const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
    const sources = files
      .map((file) => file.replace('!', '').split('/')[0] as string)
      .filter((name) => !['dist', 'prebuilds', '**'].includes(name));
    const { include } = parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')) as { include: string[] };
    expect([...sources, ...include, 'package-lock.json'].filter((name) => !taken.includes(name))).toEqual([]);
  });
});
