import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Embedder, Reranker } from '../lib';
import { type LocalModel, localModels } from '../lib/hub/cached-models';
import {
  bertFiles,
  hubEnvironment,
  namesBelow,
  quickFetch,
  resultOf,
  startAtTerminal,
  startCli,
  useHub,
} from './support/hub';
import { filesOf, type RepositoryFiles } from './support/hub-server';
import { fixture, temporaryFolder } from './support/models';

const hub = useHub();
let cache: string;
beforeEach(() => {
  cache = temporaryFolder();
});

const crossrank = (...args: string[]) => startCli(args, hubEnvironment(hub(), cache));
const repository = () => join(cache, 'models--acme--bert');

function withConfig(change: Record<string, unknown>, name = 'bert'): Record<string, Buffer | string> {
  const files = filesOf(fixture(name));
  const config = JSON.parse(String(files['config.json']));
  return { ...files, 'config.json': JSON.stringify({ ...config, ...change }) };
}

describe('pull', () => {
  test('downloads, says what came and where it is, and says so when all was here', async () => {
    const commit = hub().add(
      'acme/bert',
      { ...bertFiles(), 'README.md': 'a card', 'docs/a.md': 'a' },
      { refs: ['main', 'v1'] },
    );
    const folder = join(repository(), 'snapshots', commit);
    expect(await crossrank('pull', 'acme/bert@v1')).toEqual({
      status: 0,
      signal: null,
      stdout: `acme/bert@${commit.slice(0, 8)}  5 files, 2.7 MB fetched\n${folder}\n`,
      stderr: '',
    });
    const again = await crossrank('pull', 'acme/bert', '--json', '--include', '*.md');
    expect(JSON.parse(again.stdout)).toMatchObject({
      id: 'acme/bert',
      revision: 'main',
      commit,
      folder,
      fetchedBytes: 7,
    });
    expect(readFileSync(join(folder, 'docs/a.md'), 'utf8')).toBe('a');
    expect((await crossrank('pull', 'acme/bert')).stdout).toContain('5 files, all of it was here\n');
  });

  test.each<[string[], number, RegExp]>([
    [[], 2, /^expected one ID, such as BAAI\/bge-reranker-base, but received none\ncrossrank pull --help/],
    [['a/b', 'c/d'], 2, /but received 2/],
    [['a/b', '--inclde', 'x'], 2, /unknown option --inclde; known are --include, --json/],
    [
      ['nothing'],
      1,
      /^ERR_INVALID_ARGUMENT: "nothing" names no model of the hub: those are ORGANISATION\/NAME or/,
    ],
    [['../a/b'], 1, /^ERR_INVALID_ARGUMENT/],
    [['acme/none'], 1, /^ERR_DOWNLOAD: .* knows no model acme\/none/],
  ])('%j is exit code %i', async (args, status, message) => {
    const result = await crossrank('pull', ...args);
    expect([result.status, result.stdout]).toEqual([status, '']);
    expect(result.stderr).toMatch(message);
  });

  test('shows a bar at a terminal, and nothing of it elsewhere', async () => {
    hub().add('acme/bert', bertFiles());
    const { stdout } = await resultOf(startAtTerminal(['pull', 'acme/bert'], hubEnvironment(hub(), cache)));
    expect(stdout).toMatch(/\r░{30} {3}0 % {2}0 s {2}0 B of 2\.7 MB/);
    expect(stdout).toContain('\r\x1b[Kacme/bert@'); // the bar is gone before the answer
  });

  test('says where a cache cannot be', async () => {
    hub().add('acme/bert', bertFiles());
    const file = join(cache, 'file');
    writeFileSync(file, '');
    const environment = { ...hubEnvironment(hub(), cache), HF_HUB_CACHE: file };
    const pulled = await startCli(['pull', 'acme/bert'], environment);
    expect([pulled.status, pulled.stderr]).toEqual([
      1,
      expect.stringMatching(/^ERR_DOWNLOAD: .*cannot be written to \(\w+\)/),
    ]);
    const listed = await startCli(['models'], environment);
    expect([listed.status, listed.stderr]).toEqual([
      1,
      expect.stringMatching(/cannot be read \(ENOTDIR\); check HF_HUB_CACHE/),
    ]);
  });

  test('needs the hub', async () => {
    const { status, stderr } = await startCli(['pull', 'a/b'], {
      ...hubEnvironment(hub(), cache),
      HF_HUB_OFFLINE: '1',
    });
    expect([status, stderr]).toEqual([
      1,
      'ERR_DOWNLOAD: HF_HUB_OFFLINE is set, and pull asks the hub; unset it\n',
    ]);
  });
});

test('other commands take models of the hub', async () => {
  hub().add('acme/bert', bertFiles());
  const { status, stdout } = await crossrank('verify', 'acme/bert', '--precision', 'fp32');
  expect([status, stdout]).toEqual([0, expect.stringMatching(/golden.json {2}\d+ cases.*: holds/)]);
});

describe('models', () => {
  test('lists what is here, and whether it runs', async () => {
    hub().add('acme/bert', bertFiles(), { refs: ['main', 'v1'] });
    await quickFetch(hub(), cache);
    await quickFetch(hub(), cache, { revision: 'v1' });
    mkdirSync(join(cache, 'models--broken'));
    mkdirSync(join(cache, 'datasets--a--b'));
    writeFileSync(join(cache, 'version.txt'), '1');
    const { status, stdout } = await crossrank('models');
    expect(status).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^model +revision +size +task +runs$/);
    expect(stdout).toMatch(/^crossrank-mini +in the package +45\.3 MB +reranker +yes$/m);
    expect(stdout).toMatch(/^multilingual-e5-small-zh-en +in the package +45\.2 MB +embedder +yes$/m);
    expect(stdout).toMatch(/^acme\/bert +main v1 [0-9a-f]{8} +2\.7 MB +reranker +yes$/m);
    expect(stdout).toContain(`3 models, 93.2 MB; the cache is ${cache}`);
    const listed: LocalModel[] = JSON.parse((await crossrank('models', '--json')).stdout);
    expect(listed[2]).toMatchObject({ id: 'acme/bert', refs: ['main', 'v1'], task: 'reranker', runs: true });
  });

  test('has a list without a cache, too', async () => {
    const { stdout } = await startCli(['models', '--json'], {
      ...hubEnvironment(hub(), cache),
      HF_HUB_CACHE: '/nowhere',
    });
    expect(JSON.parse(stdout)).toHaveLength(2);
  });

  const st = 'sentence_transformers.models.';
  const modules = (...kinds: string[]) =>
    JSON.stringify(
      kinds.map((kind, i) => ({
        idx: i,
        name: String(i),
        path: i === 0 ? '' : `${i}_${kind}`,
        type: st + kind,
      })),
    );
  const pooling = JSON.stringify({ pooling_mode_mean_tokens: true });
  const without = (files: RepositoryFiles, ...names: string[]) =>
    Object.fromEntries(Object.entries(files).filter(([name]) => !names.includes(name)));

  test.each<[string, LocalModel['task'], boolean, () => RepositoryFiles]>([
    ...['bert', 'electra', 'distilbert', 'roberta', 'xlm-roberta'].map(
      (name) =>
        [name, 'reranker', true, () => filesOf(fixture(name))] as [
          string,
          'reranker',
          true,
          () => RepositoryFiles,
        ],
    ),
    ['deberta-v2', 'reranker', false, () => filesOf(fixture('deberta-v2'))],
    ['modernbert', 'reranker', false, () => filesOf(fixture('modernbert'))],
    ['an encoder', 'embedder', true, () => filesOf(fixture('bert-embedder'))],
    [
      'an encoder with modules',
      'embedder',
      true,
      () => ({
        ...filesOf(fixture('bert-embedder')),
        'modules.json': modules('Transformer', 'Pooling', 'Normalize'),
        '1_Pooling/config.json': pooling,
      }),
    ],
    [
      'an encoder with a dense layer',
      'embedder',
      false,
      () => ({
        ...filesOf(fixture('bert-embedder')),
        'modules.json': modules('Transformer', 'Pooling', 'Dense'),
        '1_Pooling/config.json': pooling,
      }),
    ],
    [
      'other position embeddings',
      'reranker',
      false,
      () => withConfig({ position_embedding_type: 'relative_key' }),
    ],
    ['another activation', 'reranker', false, () => withConfig({ hidden_act: 'swish' })],
    [
      'another quantisation',
      'reranker',
      false,
      () => withConfig({ quantization_config: { quant_method: 'gptq' } }),
    ],
    ['a config of a wrong size', 'reranker', false, () => withConfig({ num_attention_heads: 7 })],
    ['a config that is no JSON', 'other', false, () => ({ ...bertFiles(), 'config.json': '{' })],
    ['a config that is a list', 'other', false, () => ({ ...bertFiles(), 'config.json': '[]' })],
    [
      'a language model',
      'other',
      false,
      () => withConfig({ architectures: ['GPT2LMHeadModel'], model_type: 'gpt2' }),
    ],
    ['no tokenizer', 'reranker', false, () => without(bertFiles(), 'tokenizer.json')],
    ['no weights', 'reranker', false, () => without(bertFiles(), 'model.safetensors')],
  ])('%s: a %s, and whether it runs (%s) is what a load finds', async (_, task, runs, files) => {
    const commit = '0123456789'.repeat(4);
    const folder = join(repository(), 'snapshots', commit);
    for (const [name, content] of Object.entries(files())) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    const [listed] = (await localModels(cache)).filter(({ id }) => id === 'acme/bert');
    expect(listed).toMatchObject({ task, runs });
    const load = task === 'embedder' ? Embedder.load(folder) : Reranker.load(folder);
    const failure = await load.then(
      (model) => model.dispose(),
      (error: Error) => error,
    );
    expect(failure === undefined).toBe(runs);
  });

  test('a link that leads out of the cache is why a model does not run', async () => {
    const folder = join(repository(), 'snapshots', 'a'.repeat(40));
    mkdirSync(folder, { recursive: true });
    symlinkSync('/etc/hostname', join(folder, 'config.json'));
    const [listed] = (await localModels(cache)).filter(({ id }) => id === 'acme/bert');
    expect(listed).toMatchObject({ runs: false, reason: expect.stringContaining('leads out of it') });
  });
});

describe('rm', () => {
  let first: string;
  let second: string;
  beforeEach(async () => {
    first = hub().add('acme/bert', withConfig({ step: 1 }), { refs: ['main', 'v1'] });
    second = hub().add('acme/bert', withConfig({ step: 2 }), { refs: ['next'] });
    for (const revision of ['main', 'v1', 'next']) await quickFetch(hub(), cache, { revision });
  });

  test.each([
    ['its branch', () => 'main'],
    ['its tag', () => 'v1'],
    ['its commit', () => first],
    ['the beginning of its commit', () => first.slice(0, 8)],
  ])('removes one revision by %s, and what no other needs', async (_, revision) => {
    const { status, stdout } = await crossrank('rm', `acme/bert@${revision()}`, '--yes');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^removed acme\/bert: 1 revision, \d{3} B\n$/); // its config.json: the rest is shared
    expect(readdirSync(join(repository(), 'snapshots'))).toEqual([second]);
    expect(readdirSync(join(repository(), 'refs'))).toEqual(['next']);
    expect(readdirSync(join(repository(), 'blobs'))).toHaveLength(5);
    await using model = await Reranker.load('acme/bert@next', { hub: { cacheFolder: cache, offline: true } });
    expect(model.info().labels).toBe(1);
  });

  test('removes a whole model', async () => {
    const { stdout } = await crossrank('rm', 'acme/bert', '--yes');
    expect(stdout).toMatch(/^removed acme\/bert: 2 revisions, 2\.7 MB\n$/);
    expect(existsSync(repository())).toBe(false);
    expect(namesBelow(cache)).toEqual(['.locks', 'CACHEDIR.TAG']);
  });

  test('asks before, and where nobody can be asked wants --yes', async () => {
    const { status, stderr } = await crossrank('rm', 'acme/bert');
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/^--yes is needed where nobody can be asked/),
    ]);
    expect(readdirSync(join(repository(), 'snapshots'))).toHaveLength(2);
  });

  test.each([
    ['y\n', 0, 'removed acme/bert: 2 revisions'],
    ['n\n', 1, 'nothing was removed'],
    ['\n', 1, 'nothing was removed'],
    ['\x04', 1, 'nothing was removed'],
    ['\x03', 130, ''],
  ])('at a terminal, the answer %j is exit code %i', async (answer, status, text) => {
    const child = startAtTerminal(['rm', 'acme/bert'], hubEnvironment(hub(), cache));
    child.stdout?.on('data', (shown) => {
      if (String(shown).includes('[y/N]')) child.stdin?.write(answer);
    });
    const result = await resultOf(child);
    expect([result.status, result.stdout]).toEqual([status, expect.stringContaining(text)]);
    expect(existsSync(repository())).toBe(status !== 0);
  });

  test.each([
    ['acme/none', /^ERR_MODEL_NOT_FOUND: acme\/none is not in .*`crossrank models` lists what is here/],
    [
      'acme/bert@v9',
      /^ERR_MODEL_NOT_FOUND: acme\/bert has no revision v9 in .*, which has [0-9a-f]{8}, [0-9a-f]{8}/,
    ],
    ['../../etc', /^ERR_INVALID_ARGUMENT/],
    ['acme/bert@../../x', /^ERR_INVALID_ARGUMENT/],
  ])('%s removes nothing', async (id, message) => {
    const { status, stderr } = await crossrank('rm', id, '--yes');
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
    expect(readdirSync(join(repository(), 'snapshots'))).toHaveLength(2);
  });
});
