import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Reranker } from '../lib';
import { planRemoval } from '../lib/hub/remove';
import { resolveModel } from '../lib/hub/resolve';
import { BERT_FILES, bertFiles, hubEnvironment, quickFetch, resultOf, until, useHub } from './support/hub';
import { fixture, temporaryFolder } from './support/models';
import { PYTHON, pythonPackage } from './support/python-package';

const client = pythonPackage('huggingface_hub', '2.4.0', { dependencies: true });
if ('reason' in client) console.warn(`Exchange with huggingface_hub is not tested: ${client.reason}`);
const whenInstalled = 'folder' in client ? test : test.skip;

const hub = useHub();
let cache: string;
let commit: string;
beforeEach(() => {
  cache = temporaryFolder();
  commit = hub().add('acme/bert', { ...bertFiles(), 'README.md': 'a card' });
});

function startPython(script: string) {
  const environment = {
    ...hubEnvironment(hub(), cache),
    HF_HUB_DISABLE_XET: '1',
    HF_HUB_DISABLE_PROGRESS_BARS: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    PYTHONPATH: 'folder' in client ? client.folder : '',
  };
  return spawn(PYTHON, ['-c', `import json, os, sys\nfrom huggingface_hub import *\n${script}`], {
    env: { ...process.env, ...environment },
    timeout: 60_000,
  });
}

/** What the script prints, as JSON. */
async function python(script: string): Promise<unknown> {
  const { status, stdout, stderr } = await resultOf(startPython(script));
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** Without those that huggingface_hub makes for itself. */
const requestsForModels = () => hub().requests.filter(({ path }) => path.includes('acme'));

const SCAN = `
info = scan_cache_dir()
print(json.dumps({
  "warnings": [str(each) for each in info.warnings],
  "repos": [[repo.repo_id, repo.repo_type, repo.size_on_disk, repo.nb_files] for repo in info.repos],
  "revisions": [[rev.commit_hash, sorted(rev.refs), len(rev.files)] for repo in info.repos for rev in repo.revisions],
}))`;

const bytesOf = (names: readonly string[]) =>
  names.reduce((sum, name) => sum + (bertFiles()[name] as Buffer).length, 0);

whenInstalled('what huggingface_hub has downloaded is loaded without a request', async () => {
  const folder = await python(
    'print(json.dumps(snapshot_download("acme/bert", allow_patterns=["*.json", "*.safetensors"])))',
  );
  const { length } = requestsForModels();
  const options = { endpoint: hub().url, cacheFolder: cache, offline: true };
  expect(await resolveModel('acme/bert', options)).toBe(folder);
  await using cached = await Reranker.load('acme/bert', { hub: options });
  await using local = await Reranker.load(fixture('bert'));
  const pairs: [string, string][] = [['which planet is red', 'mars']];
  expect(await cached.predict(pairs)).toEqual(await local.predict(pairs));
  expect(requestsForModels()).toHaveLength(length);
});

whenInstalled(
  'what we have downloaded is found by huggingface_hub without a request, and without a warning',
  async () => {
    const { folder } = await quickFetch(hub(), cache);
    const { length } = requestsForModels();
    expect(
      await python(`
names = ${JSON.stringify(BERT_FILES)}
print(json.dumps([
  snapshot_download("acme/bert", local_files_only=True),
  [hf_hub_download("acme/bert", name, local_files_only=True) for name in names],
  type(try_to_load_from_cache("acme/bert", "modules.json")).__name__,
  try_to_load_from_cache("acme/bert", "README.md"),
]))`),
    ).toEqual([folder, BERT_FILES.map((name) => join(folder, name)), 'object', null]); // known not to be there; not known
    expect(await python(SCAN)).toEqual({
      warnings: [],
      repos: [['acme/bert', 'model', bytesOf(BERT_FILES), BERT_FILES.length]],
      revisions: [[commit, ['main'], BERT_FILES.length]],
    });
    expect(requestsForModels()).toHaveLength(length);
  },
);

whenInstalled('one goes on with what the other has begun', async () => {
  await python('print(json.dumps(hf_hub_download("acme/bert", "config.json")))');
  const { fetchedBytes } = await quickFetch(hub(), cache);
  expect(fetchedBytes).toBe(bytesOf(BERT_FILES) - bytesOf(['config.json']));
  await python('print(json.dumps(snapshot_download("acme/bert")))');
  for (const name of [...BERT_FILES, 'README.md']) expect(hub().transfersOf(name)).toHaveLength(1);
  expect(await python(SCAN)).toMatchObject({
    warnings: [],
    revisions: [[commit, ['main'], Object.keys(bertFiles()).length + 1]],
  });
});

whenInstalled('a download waits while huggingface_hub holds the lock of a file', async () => {
  const { folder: earlier } = await quickFetch(hub(), temporaryFolder());
  const hash = readlinkSync(join(earlier, 'model.safetensors')).split('/').at(-1);
  const holder = startPython(`
from huggingface_hub.utils import WeakFileLock
path = os.path.join(os.environ["HF_HUB_CACHE"], ".locks", "models--acme--bert")
os.makedirs(path)
with WeakFileLock(os.path.join(path, "${hash}.lock")):
  print("held", flush=True)
  sys.stdin.readline()
`);
  await new Promise((resolve) => holder.stdout?.once('data', resolve));
  hub().requests.length = 0;
  const fetched = quickFetch(hub(), cache);
  const others = BERT_FILES.filter((name) => name !== 'model.safetensors');
  const blobs = join(cache, 'models--acme--bert/blobs');
  const snapshot = join(cache, 'models--acme--bert/snapshots', commit);
  await until(() => existsSync(snapshot) && readdirSync(snapshot).length === others.length);
  expect(hub().transfersOf('model.safetensors')).toEqual([]);
  holder.stdin?.end('\n');
  const { folder } = await fetched;
  expect(statSync(join(folder, 'model.safetensors')).size).toBe(bytesOf(['model.safetensors']));
  expect(readdirSync(blobs)).toHaveLength(BERT_FILES.length);
});

whenInstalled('what is left after a removal is whole for huggingface_hub', async () => {
  await quickFetch(hub(), cache);
  const config = `${String(bertFiles()['config.json'])} `;
  const next = hub().add('acme/bert', { ...bertFiles(), 'config.json': config }, { refs: ['next'] });
  await quickFetch(hub(), cache, { revision: 'next' });
  await (await planRemoval(cache, { repository: 'acme/bert', revision: 'main' })).run();
  expect(await python(SCAN)).toEqual({
    warnings: [],
    repos: [['acme/bert', 'model', bytesOf(BERT_FILES) + 1, BERT_FILES.length]],
    revisions: [[next, ['next'], BERT_FILES.length]],
  });
});
