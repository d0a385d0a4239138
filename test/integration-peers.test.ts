// What an integration says of a framework that is not there, or is of another version: this package in an application's
// node_modules, with and without frameworks beside it.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT, temporaryFolder } from './support/models';

interface Manifest {
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, { optional: boolean }>;
  exports: Record<string, string | { types: string; default: string }>;
  typesVersions: { '*': Record<string, string[]> };
}

const manifest: Manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** An application with this package and packages of these names and versions. */
function application(frameworks: Record<string, string>): string {
  const modules = join(temporaryFolder(), 'node_modules');
  const own = join(modules, 'crossrank');
  mkdirSync(own, { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(own, 'package.json'));
  cpSync(join(ROOT, 'dist/lib'), join(own, 'dist/lib'), { recursive: true });
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name), 'dir');
  }
  for (const [name, version] of Object.entries(frameworks)) {
    mkdirSync(join(modules, name), { recursive: true });
    writeFileSync(join(modules, name, 'package.json'), JSON.stringify({ name, version }));
  }
  return dirname(modules);
}

const USE = `
const reranker = { rerank() {}, predict() {} };
const embedder = { space: { model: 'm', dimension: 2 }, embed() {} };
const uses = {
  'ai-sdk rerankingModel': () => aiSdk.rerankingModel(reranker),
  'ai-sdk embeddingModel': () => aiSdk.embeddingModel(embedder),
  'langchain documentCompressor': () => langchain.documentCompressor(reranker),
  'langchain embeddings': () => langchain.embeddings(embedder),
  'llamaindex nodePostprocessor': () => llamaindex.nodePostprocessor(reranker),
  'llamaindex embedding': () => llamaindex.embedding(embedder),
  'mastra relevanceScorer': () => mastra.relevanceScorer(reranker),
  'mcp createMcpServer': () => mcp.createMcpServer({ reranker }),
};
const said = {};
for (const [name, use] of Object.entries(uses)) {
  try { await use(); said[name] = 'works'; } catch (error) { said[name] = error.code + ': ' + error.message; }
}
console.log(JSON.stringify(said));`;

const ENTRIES = {
  aiSdk: 'ai-sdk',
  langchain: 'langchain',
  llamaindex: 'llamaindex',
  mastra: 'mastra',
  mcp: 'mcp',
};
const IMPORTED = Object.entries(ENTRIES).map(
  ([name, entry]) => `import * as ${name} from 'crossrank/${entry}';`,
);
const REQUIRED = Object.entries(ENTRIES).map(
  ([name, entry]) => `const ${name} = require('crossrank/${entry}');`,
);

function run(
  folder: string,
  file: string,
  source: string,
  env: Record<string, string> = {},
): Record<string, string> {
  writeFileSync(join(folder, file), source);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NODE_PATH: '', ...env },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}
const runImported = (folder: string, env?: Record<string, string>) =>
  run(folder, 'main.mjs', `${IMPORTED.join('\n')}${USE}`, env);
const runRequired = (folder: string, env?: Record<string, string>) =>
  run(folder, 'main.cjs', `${REQUIRED.join('\n')}(async () => {${USE}})();`, env);

test.each([
  ['imported', runImported],
  ['required', runRequired],
])('a framework that is missing is told with the command that installs it: %s', (_, run) => {
  const said = run(application({}));
  expect(Object.keys(said)).toHaveLength(8);
  for (const [name, message] of Object.entries(said)) {
    const entry = name.split(' ')[0];
    expect(message).toMatch(
      new RegExp(
        `^ERR_MISSING_PACKAGE: crossrank/${entry} needs the package \\S+, which is not installed; run: npm install \\S+@`,
      ),
    );
  }
});

test('one of another version is told, with the version that works', () => {
  const said = runImported(
    application({
      ...{
        ai: '5.0.277',
        '@langchain/core': '0.3.80',
        '@llamaindex/core': '0.5.8',
        '@mastra/core': '0.24.9',
      },
      ...{ '@modelcontextprotocol/sdk': '2.0.0' },
    }),
  );
  const aiMajor = Number.parseInt(process.versions.node, 10) < 22 ? 6 : 7;
  const ai = `ERR_PACKAGE_VERSION: crossrank/ai-sdk works with ai 6 or 7, and 5.0.277 is installed; run: npm install ai@${aiMajor}`;
  const langchain =
    'ERR_PACKAGE_VERSION: crossrank/langchain works with @langchain/core 1, and 0.3.80 is installed; run: npm install @langchain/core@1';
  const llamaindex =
    'ERR_PACKAGE_VERSION: crossrank/llamaindex works with @llamaindex/core 0.6, and 0.5.8 is installed; run: npm install @llamaindex/core@0.6';
  expect(said).toEqual({
    'ai-sdk rerankingModel': ai,
    'ai-sdk embeddingModel': ai,
    'langchain documentCompressor': langchain,
    'langchain embeddings': langchain,
    'llamaindex nodePostprocessor': llamaindex,
    'llamaindex embedding': llamaindex,
    'mastra relevanceScorer':
      'ERR_PACKAGE_VERSION: crossrank/mastra works with @mastra/core 1, and 0.24.9 is installed; run: npm install @mastra/core@1',
    'mcp createMcpServer':
      'ERR_PACKAGE_VERSION: crossrank/mcp works with @modelcontextprotocol/sdk 1.20 or a later 1.x, and 2.0.0 is installed; run: npm install @modelcontextprotocol/sdk@1',
  });
});

test('versions that package.json names as peers work, and all of them are optional', () => {
  const folder = application({
    ai: '7.1.0',
    '@langchain/core': '1.0.0',
    '@llamaindex/core': '0.6.0',
    '@mastra/core': '1.9.0',
  });
  const said = runRequired(folder);
  const { 'mcp createMcpServer': mcp, ...others } = said;
  expect(new Set(Object.values(others))).toEqual(new Set(['works']));
  expect(mcp).toMatch(/^ERR_MISSING_PACKAGE/);
  expect(manifest.peerDependencies).toMatchObject({
    ...{ ai: '^6.0.0 || ^7.0.0', '@langchain/core': '^1.0.0', '@llamaindex/core': '^0.6.0' },
    ...{ '@mastra/core': '^1.0.0', '@modelcontextprotocol/sdk': '^1.20.0' },
  });
  const optional = Object.keys(manifest.peerDependencies).map((name) => [name, { optional: true }]);
  expect(Object.entries(manifest.peerDependenciesMeta)).toEqual(optional);
});

test('a program that a bundler has put the framework into leaves the check out', () => {
  const { 'mcp createMcpServer': _, ...said } = runImported(application({}), { CROSSRANK_PEER_CHECK: 'off' });
  expect(new Set(Object.values(said))).toEqual(new Set(['works']));
});

test('crossrank mcp says it before it loads models', () => {
  const cli = join(application({}), 'node_modules/crossrank/dist/lib/cli/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'mcp'], {
    encoding: 'utf8',
    cwd: dirname(cli),
  });
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/^ERR_MISSING_PACKAGE: .*npm install @modelcontextprotocol\/sdk@1/);
});

test.each(['worker', 'submit'])(
  'crossrank %s says which packages it needs before it asks Redis',
  (command) => {
    const ended = (frameworks: Record<string, string>) => {
      const cli = join(application(frameworks), 'node_modules/crossrank/dist/lib/cli/main.js');
      const input = join(dirname(cli), 'main.js'); // a file that is there
      const args =
        command === 'submit' ? ['--batch', input, '--output', join(dirname(cli), 'out.jsonl')] : [];
      return spawnSync(process.execPath, [cli, command, ...args], { encoding: 'utf8', cwd: dirname(cli) });
    };
    const missing = ended({});
    expect(missing.status).toBe(1);
    expect(missing.stderr).toMatch(/^ERR_MISSING_PACKAGE: .*bullmq.*npm install bullmq@6/);
    const half = ended({ bullmq: '6.0.0' });
    expect(half.stderr).toMatch(/^ERR_MISSING_PACKAGE: .*ioredis.*npm install ioredis@6/);
    const old = ended({ bullmq: '4.18.2', ioredis: '6.0.0' });
    expect(old.status).toBe(1);
    expect(old.stderr).toMatch(/^ERR_PACKAGE_VERSION: .*4\.18\.2.*npm install bullmq@6/);
  },
);

test('compilers of any age find the types of each entry', () => {
  const { '.': _main, './package.json': _manifest, ...entries } = manifest.exports;
  const typesOf = Object.entries(entries).map(([name, entry]) => [
    name.slice('./'.length),
    [(entry as { types: string }).types],
  ]);
  expect(typesOf.map(([name]) => name)).toEqual(['server', ...Object.values(ENTRIES)]);
  expect(manifest.typesVersions['*']).toEqual(Object.fromEntries(typesOf));
  for (const entry of Object.values(entries)) {
    for (const path of Object.values(entry)) expect(readFileSync(join(ROOT, path), 'utf8')).not.toBe('');
  }
});
