import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { CrossrankError, Embedder, Reranker } from '../lib';
import { isRepository, isRevision, parseModelId } from '../lib/hub/model-id';
import { hubCacheFolder, readSettings } from '../lib/hub/settings';
import { temporaryFolder } from './support/models';

// biome-ignore lint/suspicious/noExplicitAny: these calls are wrong on purpose
type Wrong = any;

const SECRET = 'hf_very secret';

describe.each([
  ['Reranker', (model: string, options: Wrong) => Reranker.load(model, options)],
  ['Embedder', (model: string, options: Wrong) => Embedder.load(model, options)],
])('%s.load refuses', (_, load) => {
  test.each<[string, unknown, string | RegExp]>([
    ['hub that is null', null, 'Expected an object for hub but received null'],
    ['hub that is an address', 'http://127.0.0.1', 'Expected an object for hub'],
    [
      'a misspelt option',
      { cachefolder: 'x' },
      /Unknown option "cachefolder"; known are revision, cacheFolder/,
    ],
    [
      'a revision that is a path',
      { revision: '../main' },
      'Expected a branch, a tag or a commit for hub.revision',
    ],
    ['a revision that is a number', { revision: 1 }, 'hub.revision'],
    ['an empty revision', { revision: '' }, 'hub.revision'],
    ['an empty cacheFolder', { cacheFolder: '' }, 'Expected the path of a folder for hub.cacheFolder'],
    ['a cacheFolder with NUL', { cacheFolder: 'a\0b' }, 'hub.cacheFolder'],
    ['an endpoint that is no address', { endpoint: 'hub' }, 'Expected an http or https address'],
    ['an endpoint of another protocol', { endpoint: 'file:///etc' }, 'hub.endpoint'],
    ['an endpoint with a password', { endpoint: 'http://u:p@127.0.0.1' }, 'hub.endpoint'],
    ['an endpoint with a query', { endpoint: 'http://127.0.0.1/?a=1' }, 'hub.endpoint'],
    [
      'a token that is true',
      { token: true },
      'Expected an access token or false for hub.token but received a value of type boolean',
    ],
    ['a token with spaces', { token: SECRET }, 'hub.token but received a string of another form'],
    ['a token with a line break', { token: 'hf_a\r\nx-evil: 1' }, 'hub.token'],
    ['an empty token', { token: '' }, 'hub.token'],
    ['offline as a string', { offline: 'yes' }, 'Expected a boolean for hub.offline'],
    ['a controller for a signal', { signal: new AbortController() }, 'Expected an AbortSignal for signal'],
    ['progress that is no function', { onProgress: 1 }, 'Expected a function for hub.onProgress'],
  ])('%s', async (_, hub, message) => {
    const error: unknown = await load('acme/bert', { hub }).catch((reason) => reason);
    expect(error).toBeInstanceOf(CrossrankError);
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) });
    expect((error as Error).message).not.toContain(SECRET);
  });

  test.each([
    'nowhere',
    'a/b/c',
    './a/b',
    '/a/b',
    'a/b@',
    'a/b@../c',
    'a--b/c',
    'a/b.git',
    '-a/b',
    'a/.b',
    'a\\b',
    'a/b ',
    'ä/b',
    'a/b@c@d',
    `a/${'b'.repeat(200)}`,
    'https://hub.example/a/b',
    '__proto__',
  ])('what is neither a folder nor the name of a model: %s', async (model) => {
    const error = await load(model, { hub: { offline: true } }).catch((reason) => reason);
    expect(error).toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
      message: expect.stringMatching(
        /^there is no model folder at .*ORGANISATION\/NAME@REVISION, such as BAAI\//s,
      ),
    });
  });
});

test('names of models', () => {
  expect(parseModelId('BAAI/bge-reranker-v2-m3')).toEqual({
    repository: 'BAAI/bge-reranker-v2-m3',
    revision: undefined,
  });
  expect(parseModelId('a/b_c.d-e@refs/pr/1')).toEqual({ repository: 'a/b_c.d-e', revision: 'refs/pr/1' });
  for (const name of ['cross-encoder/ms-marco-MiniLM-L6-v2', 'a/b', '0x1/_y_'])
    expect(isRepository(name)).toBe(true);
  for (const revision of ['main', 'v1.0', 'feature/x', 'a'.repeat(40), 'x+y=z'])
    expect(isRevision(revision)).toBe(true);
  for (const revision of [
    '',
    '/a',
    'a/',
    'a//b',
    '.a',
    'a/.b',
    'a.lock',
    'a.',
    'a..b',
    'a b',
    'a\0',
    'a\\b',
    'a:b',
    'a?b',
    'a'.repeat(300),
  ]) {
    expect(isRevision(revision)).toBe(false);
  }
});

describe('the environment is read as huggingface_hub reads it', () => {
  test.each<[Record<string, string>, string]>([
    [{ HF_HUB_CACHE: '/a/b', HF_HOME: '/c' }, '/a/b'],
    [{ HF_HOME: '/c' }, '/c/hub'],
    [{ HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ XDG_CACHE_HOME: '/xdg' }, '/xdg/huggingface/hub'],
    [{ HOME: '/home/me' }, '/home/me/.cache/huggingface/hub'],
    [{ HF_HOME: '~/models', HOME: '/home/me' }, '/home/me/models/hub'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as a shell writes it
    [{ HF_HUB_CACHE: '$DATA/${WHICH}/$NONE', DATA: '/data', WHICH: 'x' }, '/data/x/$NONE'],
    [{}, join(homedir(), '.cache/huggingface/hub')],
    [{ HF_HUB_CACHE: '', HF_HOME: '' }, join(homedir(), '.cache/huggingface/hub')],
  ])('the cache of %j', (env, folder) => {
    expect(hubCacheFolder(undefined, env)).toBe(resolve(folder));
    expect(hubCacheFolder('/named', env)).toBe(resolve('/named'));
  });

  test.each<[Record<string, string>, Wrong]>([
    [{ HF_ENDPOINT: 'http://mirror/hub/' }, { endpoint: 'http://mirror/hub' }],
    [{}, { endpoint: 'https://huggingface.co', offline: false, symlinks: true, stallTimeoutMs: 10_000 }],
    [{ HF_HUB_OFFLINE: '1' }, { offline: true }],
    [{ HF_HUB_OFFLINE: 'yes' }, { offline: true }],
    [{ TRANSFORMERS_OFFLINE: 'True' }, { offline: true }],
    [{ HF_HUB_OFFLINE: '0' }, { offline: false }],
    [{ HF_HUB_DISABLE_SYMLINKS: 'ON' }, { symlinks: false }],
    [
      { HF_HUB_DOWNLOAD_TIMEOUT: '2.5', HF_HUB_ETAG_TIMEOUT: '30' },
      { stallTimeoutMs: 2500, answerTimeoutMs: 30_000 },
    ],
    [{ HF_TOKEN: ' hf_a\n' }, { token: 'hf_a' }],
    [{ HF_TOKEN: 'hf_a', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, { token: undefined }],
  ])('%j', async (env, expected) => {
    expect(await readSettings({}, { HF_HOME: temporaryFolder(), ...env })).toMatchObject(expected);
  });

  test('the token that a log-in wrote is found, and an option is stronger', async () => {
    const home = temporaryFolder();
    writeFileSync(join(home, 'token'), 'hf_of_file\n');
    writeFileSync(join(home, 'other'), 'hf_of_other');
    const env = { HF_HOME: home };
    expect(await readSettings({}, env)).toMatchObject({ token: 'hf_of_file' });
    expect(await readSettings({}, { ...env, HF_TOKEN_PATH: join(home, 'other') })).toMatchObject({
      token: 'hf_of_other',
    });
    expect(await readSettings({}, { ...env, HF_TOKEN: 'hf_env' })).toMatchObject({ token: 'hf_env' });
    expect(await readSettings({ token: 'hf_option' }, { ...env, HF_TOKEN: 'x' })).toMatchObject({
      token: 'hf_option',
    });
    expect(await readSettings({ token: false }, env)).toMatchObject({ token: undefined });
    mkdirSync(join(home, 'folder'));
    expect(await readSettings({}, { ...env, HF_TOKEN_PATH: join(home, 'folder') })).toMatchObject({
      token: undefined,
    });
  });

  test.each<[Record<string, string>, string]>([
    [{ HF_ENDPOINT: 'no address' }, 'HF_ENDPOINT holds no http or https address'],
    [{ HF_ENDPOINT: 'http://u:hf_secret@h' }, 'HF_ENDPOINT'],
    [{ HF_TOKEN: 'hf_secret a' }, 'HF_TOKEN holds no access token'],
    [{ HF_HUB_DOWNLOAD_TIMEOUT: 'soon' }, 'HF_HUB_DOWNLOAD_TIMEOUT takes seconds'],
    [{ HF_HUB_ETAG_TIMEOUT: '-1' }, 'HF_HUB_ETAG_TIMEOUT'],
  ])('%j is refused', async (env, message) => {
    const error = await readSettings({}, { HF_HOME: temporaryFolder(), ...env }).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(message) });
    expect(error.message).not.toContain('hf_secret');
  });
});
