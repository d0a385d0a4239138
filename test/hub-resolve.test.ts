import { tracingChannel } from 'node:diagnostics_channel';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Embedder, Reranker } from '../lib';
import type { HubOptions } from '../lib/hub/options';
import { resolveId, resolveModel } from '../lib/hub/resolve';
import { bertFiles, downloadError, namesBelow, quickFetch, quickSettings, useHub } from './support/hub';
import { filesOf } from './support/hub-server';
import { fixture, temporaryFolder } from './support/models';

const QUERY = 'which planet is red';
const DOCUMENTS = ['mars is a planet', 'bread is made of flour', 'a red star'];
const hub = useHub();
let cache: string;
beforeEach(() => {
  cache = temporaryFolder();
});

const options = (more: HubOptions = {}): HubOptions => ({
  endpoint: hub().url,
  cacheFolder: cache,
  token: false,
  ...more,
});

/** As resolveModel, but that retries come at once. */
async function quickResolve(
  revision?: string,
  more: { offline?: boolean; token?: string } = {},
): Promise<string> {
  const settings = await quickSettings(hub(), cache, more);
  return resolveId({ repository: 'acme/bert', revision }, {}, settings);
}

function withConfig(change: Record<string, unknown>): Record<string, Buffer | string> {
  const files = bertFiles();
  const config = JSON.parse(String(files['config.json']));
  return { ...files, 'config.json': JSON.stringify({ ...config, ...change }) };
}

/** What process.emitWarning was called with meanwhile. */
async function warningsOf(run: () => Promise<unknown>): Promise<unknown[][]> {
  const spy = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  try {
    await run();
    return spy.mock.calls;
  } finally {
    spy.mockRestore();
  }
}

test('a reranker from the hub scores as one from its folder', async () => {
  hub().add('acme/bert', bertFiles());
  await using downloaded = await Reranker.load('acme/bert', { hub: options() });
  await using local = await Reranker.load(fixture('bert'));
  expect((await downloaded.rerank(QUERY, DOCUMENTS)).results).toEqual(
    (await local.rerank(QUERY, DOCUMENTS)).results,
  );
});

test('hub.signal ends a load with its reason', async () => {
  hub().add('acme/bert', bertFiles());
  const controller = new AbortController();
  const reason = new Error('enough');
  const load = { hub: options({ signal: controller.signal, onProgress: () => controller.abort(reason) }) };
  await expect(Reranker.load('acme/bert', load)).rejects.toBe(reason);
  await expect(Embedder.load('acme/bert', load)).rejects.toBe(reason);
});

test('a trace of a load has the name of the model, and its download in it', async () => {
  hub().add('acme/bert', bertFiles());
  const heard: string[] = [];
  const channel = tracingChannel<string, { model: string }>('crossrank:load');
  const note = (event: string) => (trace: { model: string }) => {
    heard.push(`${event} ${trace.model} after ${hub().requests.length > 0 ? 'requests' : 'none'}`);
  };
  const subscribers = { start: note('start'), asyncEnd: note('asyncEnd') };
  channel.subscribe(subscribers as Parameters<typeof channel.subscribe>[0]);
  await (await Reranker.load('acme/bert', { hub: options() })).dispose();
  channel.unsubscribe(subscribers as Parameters<typeof channel.unsubscribe>[0]);
  expect(heard).toEqual(['start acme/bert after none', 'asyncEnd acme/bert after requests']);
});

test('an embedder from the hub has the modules, prompts and name of its repository', async () => {
  hub().add('acme/e5-tiny', {
    ...filesOf(fixture('bert-embedder')),
    'modules.json': JSON.stringify([
      { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
      { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
    ]),
    '1_Pooling/config.json': JSON.stringify({
      pooling_mode_cls_token: true,
      pooling_mode_mean_tokens: false,
    }),
    'sentence_bert_config.json': JSON.stringify({ max_seq_length: 64 }),
  });
  await using downloaded = await Embedder.load('acme/e5-tiny', { hub: options() });
  await using local = await Embedder.load(fixture('bert-embedder'), { pooling: 'cls', normalize: false });
  expect(downloaded.space.model).toBe('e5-tiny');
  expect(downloaded.info().pooling).toBe('cls');
  expect(await downloaded.embed(DOCUMENTS)).toEqual(await local.embed(DOCUMENTS));
});

test('a folder of that name comes first, and the hub is not asked', async () => {
  await using model = await Reranker.load('models/crossrank-mini', { hub: options() });
  expect(model.info().parameters).toBeGreaterThan(1e6);
  expect(hub().requests).toEqual([]);
});

describe('a revision', () => {
  let first: string;
  let second: string;
  beforeEach(() => {
    first = hub().add('acme/bert', withConfig({ step: 1 }), { refs: ['main', 'v1.0'] });
    second = hub().add('acme/bert', withConfig({ step: 2 }), { refs: ['refs/pr/3', 'next'] });
  });
  const stepOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')).step;

  test.each(['next', 'refs/pr/3'])('may be %s, and becomes a ref', async (revision) => {
    const folder = await resolveModel(`acme/bert@${revision}`, options());
    expect(stepOf(folder)).toBe(2);
    expect(await resolveModel('acme/bert', options({ revision }))).toBe(folder);
    expect(readFileSync(join(cache, 'models--acme--bert/refs', revision), 'utf8')).toBe(second);
  });

  test('is main where none is named', async () => {
    expect(stepOf(await resolveModel('acme/bert', options()))).toBe(1);
    expect(await resolveModel('acme/bert@v1.0', options())).toBe(await resolveModel('acme/bert', options()));
  });

  test('that is a commit is asked for once and needs no ref', async () => {
    const folder = await resolveModel(`acme/bert@${first}`, options());
    expect(stepOf(folder)).toBe(1);
    expect(existsSync(join(cache, 'models--acme--bert/refs'))).toBe(false);
    const { length } = hub().requests;
    expect(await resolveModel(`acme/bert@${first}`, options())).toBe(folder);
    expect(hub().requests).toHaveLength(length);
  });

  test('that has moved brings the new files, and leaves the old ones', async () => {
    const old = await quickResolve();
    hub().add('acme/bert', withConfig({ step: 3 }));
    const moved = await quickResolve();
    expect([stepOf(old), stepOf(moved)]).toEqual([1, 3]);
    expect(hub().transfersOf('config.json')).toHaveLength(2);
    expect(hub().transfersOf('model.safetensors')).toHaveLength(1); // of the same content
  });

  test('that does not exist is an error that says so, whatever is in the cache', async () => {
    await quickResolve();
    const { code, message } = await downloadError(quickResolve('v9'));
    expect([code, message]).toEqual([
      'ERR_DOWNLOAD',
      'acme/bert has no revision v9: expected a branch, a tag or a commit of it',
    ]);
  });

  test('may not be named twice, differently', async () => {
    const { code } = await downloadError(resolveModel('acme/bert@v1.0', options({ revision: 'next' })));
    expect(code).toBe('ERR_INVALID_ARGUMENT');
  });
});

describe('without the hub', () => {
  test('offline mode uses the cache and sends nothing', async () => {
    hub().add('acme/bert', bertFiles());
    const folder = await quickResolve();
    const { length } = hub().requests;
    expect(await quickResolve(undefined, { offline: true })).toBe(folder);
    await using model = await Reranker.load('acme/bert', { hub: options({ offline: true }) });
    expect((await model.rerank(QUERY, DOCUMENTS)).results).toHaveLength(3);
    expect(hub().requests).toHaveLength(length);
  });

  test('offline mode says what is not there, and what is only in part', async () => {
    hub().add('acme/bert', bertFiles());
    expect((await downloadError(quickResolve(undefined, { offline: true }))).message).toContain(
      `acme/bert at main is not in ${cache}`,
    );
    const folder = await quickResolve();
    rmSync(join(folder, 'model.safetensors'));
    expect((await downloadError(quickResolve(undefined, { offline: true }))).message).toContain(
      `acme/bert at main is only in part in ${cache}`,
    );
  });

  test('a hub that is down leaves what is in the cache, with a warning', async () => {
    hub().add('acme/bert', bertFiles());
    const folder = await quickResolve();
    await hub().stop();
    const warnings = await warningsOf(async () => expect(await quickResolve()).toBe(folder));
    expect(warnings).toEqual([
      [
        expect.stringMatching(/ECONNREFUSED.*acme\/bert is taken from the cache/),
        { code: 'CROSSRANK_HUB_CACHE' },
      ],
    ]);
  });

  test('a hub that is down, and nothing in the cache, says what to check', async () => {
    await hub().stop();
    const { code, message } = await downloadError(quickResolve());
    expect(code).toBe('ERR_DOWNLOAD');
    expect(message).toMatch(/ECONNREFUSED\) \(5 tries\); check the network, HTTPS_PROXY and HF_ENDPOINT/);
  });

  test('an update that breaks off leaves the revision before', async () => {
    hub().add('acme/bert', bertFiles());
    const folder = await quickResolve();
    hub().add('acme/bert', { ...bertFiles(), 'model.safetensors': Buffer.alloc(1e6) });
    hub().faults.set(
      'model.safetensors',
      Array.from({ length: 9 }, () => ({ cutAfter: 10 })),
    );
    expect(await warningsOf(async () => expect(await quickResolve()).toBe(folder))).toHaveLength(1);
    expect(await quickResolve(undefined, { offline: true })).toBe(folder);
  });
});

describe('access', () => {
  test('to a model that the hub does not know', async () => {
    const { code, message } = await downloadError(quickResolve());
    expect(code).toBe('ERR_DOWNLOAD');
    expect(message).toMatch(/knows no model acme\/bert, or it is private: check the name .*HF_TOKEN/);
    expect((await downloadError(quickResolve(undefined, { token: 'hf_wrong' }))).message).toMatch(
      /knows no model acme\/bert/,
    );
  });

  test('to a private model needs its token', async () => {
    hub().add('acme/bert', bertFiles(), { token: 'hf_right' });
    expect((await downloadError(quickResolve())).message).toMatch(/HF_TOKEN/);
    expect(existsSync(await quickResolve(undefined, { token: 'hf_right' }))).toBe(true);
  });

  test('to a gated model says where its conditions are', async () => {
    hub().add('acme/bert', bertFiles(), { token: 'hf_right', gated: true });
    const { message } = await downloadError(quickResolve());
    expect(message).toContain(
      `acme/bert is gated: accept its conditions at ${hub().url}/acme/bert, then give`,
    );
    const wrong = await downloadError(quickResolve(undefined, { token: 'hf_secret_wrong' }));
    expect(wrong.message).toContain('use a token of the account that did');
    expect(wrong.message).not.toContain('hf_secret');
    expect(existsSync(await quickResolve(undefined, { token: 'hf_right' }))).toBe(true);
  });

  test('to a mirror that describes no sizes and hashes goes by the headers of files', async () => {
    hub().add('acme/bert', bertFiles());
    hub().editInfo = (info) => ({
      ...info,
      siblings: (info.siblings as { rfilename: string }[]).map(({ rfilename }) => ({ rfilename })),
    });
    const folder = await quickResolve();
    expect(
      readFileSync(join(folder, 'model.safetensors')).equals(bertFiles()['model.safetensors'] as Buffer),
    ).toBe(true);
    expect(hub().requests.some(({ method }) => method === 'HEAD')).toBe(true);
  });
});

describe('what a hub may not do', () => {
  const paths = [
    '../evil.json',
    '/etc/evil.json',
    'a/../../evil.json',
    'a\\..\\evil.json',
    'C:\\evil.json',
    'C:evil.json',
    'evil\0.json',
    'evil\n.json',
    'evil\u2028.json',
    './evil.json',
    'a//evil.json',
    'evil/',
    '',
    'x'.repeat(2000),
  ];
  test.each(paths)('name a file %j', async (rfilename) => {
    hub().add('acme/bert', bertFiles());
    hub().editInfo = (info) => ({
      ...info,
      siblings: [...(info.siblings as unknown[]), { rfilename, size: 1, blobId: '0'.repeat(40) }],
    });
    const { code, message } = await downloadError(quickResolve());
    expect(code).toBe('ERR_DOWNLOAD');
    expect(message).toMatch(/which is no path below a folder/);
    expect(namesBelow(cache)).toEqual([]);
  });

  test.each<[string, (info: Record<string, unknown>) => unknown]>([
    ['a commit that is a path', (info) => ({ ...info, sha: '../../../../evil' })],
    ['a commit of another length', (info) => ({ ...info, sha: 'abc123' })],
    ['no commit', ({ sha: _, ...info }) => info],
    ['files that are no list', (info) => ({ ...info, siblings: { rfilename: 'config.json' } })],
    ['a list', (info) => [info]],
    ['nothing', () => null],
  ])('describe a model with %s', async (_, edit) => {
    hub().add('acme/bert', bertFiles());
    hub().editInfo = edit;
    expect((await downloadError(quickResolve())).message).toMatch(/description of acme\/bert cannot be used/);
    expect(namesBelow(cache)).toEqual([]);
  });

  test.each<[string, Record<string, unknown>]>([
    ['a blob that is a path', { blobId: '../../evil', lfs: undefined }],
    ['a blob that is a list', { blobId: ['0'.repeat(40)], lfs: undefined }],
    ['an LFS hash that is a path', { lfs: { sha256: '../../evil' } }],
    ['an LFS hash that is a number', { lfs: { sha256: 7 } }],
    ['a negative size', { size: -1 }],
    ['a size that is no number', { size: '12' }],
    ['an endless size', { size: 1e300 }],
    ['the name of another file', { rfilename: 'config.json' }],
  ])('describe a file with %s', async (_, change) => {
    hub().add('acme/bert', bertFiles());
    hub().editInfo = (info) => ({
      ...info,
      siblings: (info.siblings as { rfilename: string }[]).map((file) =>
        file.rfilename === 'model.safetensors' ? { ...file, ...change } : file,
      ),
    });
    expect((await downloadError(quickResolve())).message).toMatch(/description of acme\/bert cannot be used/);
    expect(namesBelow(cache)).toEqual([]);
  });

  test.each(['"../../../evil"', '"abc"', '', '"\\u0000"', `W/"${'g'.repeat(40)}"`])(
    'give a file the ETag %s',
    async (etag) => {
      hub().add('acme/bert', bertFiles());
      hub().editInfo = (info) => ({
        ...info,
        siblings: [
          { rfilename: 'tokenizer.json' },
          { rfilename: 'model.safetensors' },
          { rfilename: 'config.json' },
        ],
      });
      hub().editHeaders = (headers) => {
        if (headers.ETag !== undefined) headers.ETag = etag;
      };
      expect((await downloadError(quickResolve())).message).toMatch(/gives no hash of config.json/);
      expect(namesBelow(cache).some((name) => name.includes('evil'))).toBe(false);
    },
  );

  test('send a description without end', async () => {
    hub().apiAnswers.push((response) => {
      const part = Buffer.alloc(1 << 20, 0x20);
      const send = () => {
        while (!response.destroyed && response.write(part));
        response.once('drain', send);
      };
      send();
    });
    expect((await downloadError(quickResolve())).message).toMatch(/is larger than 16777216 bytes/);
  });

  test('send a page instead of a description', async () => {
    hub().apiAnswers.push((response) => response.end('<html>Log in to the hotel network</html>'));
    expect((await downloadError(quickResolve())).message).toMatch(
      /cannot be used: it is no JSON object; check HF_ENDPOINT/,
    );
  });
});

describe('a cache that was tampered with', () => {
  test('does not make a load read a file outside of it', async () => {
    hub().add('acme/bert', bertFiles());
    const folder = await quickResolve();
    rmSync(join(folder, 'golden.json'));
    symlinkSync('/etc/hostname', join(folder, 'golden.json'));
    const { code, message } = await downloadError(quickResolve(undefined, { offline: true }));
    expect(code).toBe('ERR_MODEL_INVALID');
    expect(message).toMatch(/golden.json of acme\/bert in the cache leads out of it, to \/etc\/hostname/);
  });

  test('does not make a download write outside of it', async () => {
    const outside = temporaryFolder();
    const commit = hub().add('acme/bert', bertFiles());
    const snapshots = join(cache, 'models--acme--bert/snapshots');
    mkdirSync(snapshots, { recursive: true });
    symlinkSync(outside, join(snapshots, commit));
    expect((await downloadError(quickResolve())).code).toBe('ERR_MODEL_INVALID');
    expect(namesBelow(outside)).toEqual([]);
  });

  test('does not make a download write through a link in the place of a partial file', async () => {
    const target = join(temporaryFolder(), 'precious');
    writeFileSync(target, 'precious');
    hub().add('acme/bert', bertFiles());
    const { folder } = await quickFetch(hub(), cache);
    const blob = join(folder, readlinkSync(join(folder, 'config.json')));
    rmSync(blob);
    symlinkSync(target, `${blob}.incomplete`);
    expect((await downloadError(quickFetch(hub(), cache))).code).toBe('ERR_DOWNLOAD');
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  test('with a folder in the place of a lock or a file is said to be so', async () => {
    hub().add('acme/bert', bertFiles());
    const folder = await quickResolve();
    const hash = readlinkSync(join(folder, 'config.json')).split('/').at(-1) as string;
    rmSync(join(folder, 'config.json'));
    mkdirSync(join(folder, 'config.json'));
    expect((await downloadError(quickResolve())).message).toMatch(/the cache .* cannot be used: E\w+/);
    rmSync(join(folder, 'config.json'), { recursive: true });
    mkdirSync(join(cache, '.locks/models--acme--bert', `${hash}.lock`));
    const { code, message } = await downloadError(quickResolve());
    expect([code, message]).toEqual(['ERR_DOWNLOAD', expect.stringMatching(/\.lock cannot be locked: /)]);
  });

  test('may share blobs between models, as newer huggingface_hub does', async () => {
    hub().add('acme/bert', bertFiles());
    const folder = await quickResolve();
    const blob = join(folder, readlinkSync(join(folder, 'model.safetensors')));
    mkdirSync(join(cache, 'blobs/ab'), { recursive: true });
    renameSync(blob, join(cache, 'blobs/ab/shared'));
    symlinkSync('../../blobs/ab/shared', blob);
    expect(await quickResolve(undefined, { offline: true })).toBe(folder);
    await quickResolve();
    expect(hub().transfersOf('model.safetensors')).toHaveLength(1);
  });

  test('may lie on other disks, by links that its owner made', async () => {
    const disk = temporaryFolder();
    mkdirSync(join(disk, 'blobs'));
    mkdirSync(join(cache, 'models--acme--bert'));
    symlinkSync(join(disk, 'blobs'), join(cache, 'models--acme--bert/blobs'));
    hub().add('acme/bert', bertFiles());
    const folder = await quickResolve();
    expect(await quickResolve(undefined, { offline: true })).toBe(folder);
    expect(namesBelow(join(disk, 'blobs'))).toHaveLength(5);
  });
});
