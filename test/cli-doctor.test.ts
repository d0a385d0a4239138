import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Check } from '../lib/cli/doctor/check';
import { sizeText } from '../lib/cli/doctor/check';
import { checkHub } from '../lib/cli/doctor/hub';
import { checkNode } from '../lib/cli/doctor/machine';
import { runCli } from './support/cli';
import { ROOT, temporaryFolder } from './support/models';

jest.setTimeout(120_000); // a shared machine may be slow; nothing here is about time

interface Report {
  healthy: boolean;
  checks: Check[];
}

const byName = ({ checks }: Report, name: string) => checks.find((check) => check.name === name);

test('tells what works here, with no problem', () => {
  const { status, stdout, stderr } = runCli(['doctor', '--json']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const report: Report = JSON.parse(stdout);
  expect(report.healthy).toBe(true);
  for (const name of ['platform', 'Node.js', 'processors', 'memory', 'native addon', 'ONNX Runtime']) {
    expect(byName(report, name)?.status).not.toBe('problem');
  }
  expect(byName(report, 'native addon')?.message).toMatch(/crossrank.*\.node$/);
  expect(byName(report, 'CPU kernels')?.message).toMatch(/levels generic.*instruction sets/);
  for (const precision of ['fp32', 'bf16x3', 'bf16', 'int8']) {
    expect(byName(report, `precision ${precision}`)?.message).toMatch(
      /^(matrices .+, attention|not on this CPU)/,
    );
  }
  expect(byName(report, 'execution provider')?.message).toMatch(/^CPU, which is what runs/);
  expect(byName(report, 'embedded reranker')?.message).toMatch(/^16 scores are those of the reference/);
  expect(byName(report, 'embedded embedder')?.message).toBe('384 dimensions');
  expect(byName(report, 'optional packages')?.message).toMatch(/@lancedb\/lancedb is installed/);
});

test('as text, a line for each check and what to do below it', () => {
  const { status, stdout } = runCli(['doctor'], { CROSSRANK_CPU: 'generic' });
  expect(status).toBe(0);
  for (const line of stdout.trimEnd().split('\n'))
    expect(line).toMatch(/^(ok {6}|warning {2}|problem {2}| {20})/);
  expect(stdout).toMatch(/^warning {2}CPU kernels .*CROSSRANK_CPU is generic\n +-> unset CROSSRANK_CPU/m);
});

test('a level that the environment names and this build does not know is a problem, not a crash', () => {
  const { status, stdout } = runCli(['doctor', '--json'], { CROSSRANK_CPU: 'quantum' });
  const report: Report = JSON.parse(stdout);
  expect({ status, healthy: report.healthy }).toEqual({ status: 1, healthy: false });
  expect(report.checks.some(({ message }) => message.includes('quantum'))).toBe(true);
});

test('an ONNX Runtime that is not there is a problem with advice', () => {
  const { status, stdout } = runCli(['doctor', '--json'], { CROSSRANK_ONNXRUNTIME: '/no/such/library.so' });
  const report: Report = JSON.parse(stdout);
  expect(status).toBe(1);
  expect(byName(report, 'ONNX Runtime')).toMatchObject({
    status: 'problem',
    message: expect.stringContaining('/no/such/library.so'),
    advice: expect.stringContaining('CROSSRANK_ONNXRUNTIME'),
  });
});

describe('where the addon does not load', () => {
  function copyWithAddon(content: string | undefined): string {
    const folder = temporaryFolder();
    cpSync(join(ROOT, 'dist/lib'), join(folder, 'dist/lib'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    if (content !== undefined) {
      mkdirSync(join(folder, 'build/Release'), { recursive: true });
      writeFileSync(join(folder, 'build/Release/crossrank.node'), content);
    }
    return join(folder, 'dist/lib/cli/main.js');
  }

  test.each([
    ['is missing', undefined, /no build in/],
    ['is broken', 'no library', /crossrank\.node/],
  ])('because it %s, the rest is told', (_, content, message) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [copyWithAddon(content), 'doctor', '--json'],
      {
        encoding: 'utf8',
      },
    );
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    const report: Report = JSON.parse(stdout);
    const addon = byName(report, 'native addon');
    expect(addon?.status).toBe('problem');
    expect(addon?.message).toMatch(message);
    expect(addon?.advice).toMatch(/npm (rebuild|ci)|build both from source/i);
    expect(byName(report, 'model cache')).toBeDefined();
    expect(byName(report, 'network')).toBeDefined();
  });
});

describe('the hub', () => {
  const look = async (env: Record<string, string>) => {
    const checks = await checkHub({ HF_HUB_CACHE: temporaryFolder(), ...env });
    return { cache: checks[0] as Check, token: checks[1] as Check, network: checks[2] as Check };
  };

  test('the cache is where huggingface_hub has it', async () => {
    const folder = temporaryFolder();
    const of = async (env: Record<string, string>) => (await checkHub(env))[0]?.message;
    expect(await of({ HF_HUB_CACHE: folder })).toMatch(new RegExp(`^${folder}, 0 bytes in it, .* free$`));
    expect(await of({ HF_HOME: folder })).toMatch(new RegExp(`^${folder}/hub, not there yet`));
    expect(await of({ XDG_CACHE_HOME: folder })).toMatch(
      new RegExp(`^${folder}/huggingface/hub, not there yet`),
    );
  });

  test('links of snapshots do not count twice', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'models--a--b/blobs'), { recursive: true });
    mkdirSync(join(folder, 'models--a--b/snapshots/1'), { recursive: true });
    writeFileSync(join(folder, 'models--a--b/blobs/x'), Buffer.alloc(2048));
    symlinkSync('../../blobs/x', join(folder, 'models--a--b/snapshots/1/model'));
    expect((await look({ HF_HUB_CACHE: folder })).cache.message).toContain('2.0 KiB in it');
  });

  test('a file in its place is a problem', async () => {
    const path = join(temporaryFolder(), 'hub');
    writeFileSync(path, '');
    expect((await look({ HF_HUB_CACHE: path })).cache).toMatchObject({
      status: 'problem',
      advice: expect.any(String),
    });
  });

  // The superuser may write anywhere.
  (process.getuid?.() === 0 ? test.skip : test)('one that may not be written to is a warning', async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o500);
    expect((await look({ HF_HUB_CACHE: folder })).cache.status).toBe('warning');
  });

  test('a token is told, never its value', async () => {
    const secret = 'hf_verysecret';
    const home = temporaryFolder();
    writeFileSync(join(home, 'token'), secret);
    const environments: Record<string, string>[] = [{ HF_TOKEN: secret }, { HF_HOME: home }];
    for (const env of environments) {
      const { token } = await look(env);
      expect(token.message).toMatch(/^(set by HF_TOKEN|in )/);
    }
    expect((await look({ HF_HOME: temporaryFolder() })).token.message).toMatch(/^none/);
    const { stdout } = runCli(['doctor', '--json'], {
      HF_TOKEN: secret,
      HTTPS_PROXY: `http://me:${secret}@proxy:3128`,
    });
    expect(stdout).not.toContain(secret);
    expect(stdout).toContain('HTTPS_PROXY is http://proxy:3128');
  });

  test('proxies and mirrors that are no addresses are warnings', async () => {
    expect((await look({})).network.message).toBe('no proxy, no mirror');
    expect((await look({ https_proxy: 'proxy' })).network).toMatchObject({ status: 'warning' });
    expect((await look({ HF_ENDPOINT: 'mirror' })).network).toMatchObject({ status: 'warning' });
    const { network } = await look({
      HF_ENDPOINT: 'https://mirror.example',
      HF_HUB_OFFLINE: '1',
      no_proxy: 'localhost',
    });
    expect(network.message).toMatch(
      /NO_PROXY is localhost; HF_ENDPOINT is https:\/\/mirror\.example; HF_HUB_OFFLINE/,
    );
  });
});

test('Node.js that is too old is a problem', () => {
  expect(checkNode('18.19.0').status).toBe('problem');
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(checkNode(engines.node.replace('>=', '')).status).toBe('ok');
});

test('sizes', () => {
  expect([0, 1023, 1536, 200 * 1024, 3 * 1024 ** 3].map(sizeText)).toEqual([
    '0 bytes',
    '1023 bytes',
    '1.5 KiB',
    '200 KiB',
    '3.0 GiB',
  ]);
});

test('an unknown option is a usage error', () => {
  expect(runCli(['doctor', '--fix'])).toMatchObject({ status: 2, stdout: '' });
});
