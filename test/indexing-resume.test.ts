import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Embedder, type IndexProgress, MemoryStore } from '../lib';
import { temporaryFolder } from './support/models';

const COUNT = 400;
const documents = Array.from({ length: COUNT }, (_, i) => ({
  id: `d${i}`,
  text: `Passage ${i} tells about subject ${i % 7} in a few words.`,
  lang: i % 2 ? 'en' : 'de',
}));

type Report = IndexProgress & { finished?: boolean };

/** Runs the child until it is done, or until `stop` says so: then it is killed, and has no chance to clean up. */
function index(jsonl: string, path: string, stop: (report: Report) => boolean): Promise<Report> {
  const child = fork(join(__dirname, 'support/index-child.js'), [jsonl, path]);
  return new Promise((resolve, reject) => {
    let last: Report | undefined;
    child.on('message', (report: Report) => {
      last = report;
      if (stop(report)) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (last !== undefined && (code === 0 || signal === 'SIGKILL')) resolve(last);
      else reject(new Error(`the child ended with ${code ?? signal}`));
    });
  });
}

test('indexing that is killed goes on where it was, and embeds nothing twice', async () => {
  const folder = temporaryFolder();
  const jsonl = join(folder, 'documents.jsonl');
  const path = join(folder, 'documents.store');
  writeFileSync(jsonl, documents.map((document) => `${JSON.stringify(document)}\n`).join(''));

  const first = await index(jsonl, path, ({ embedded }) => embedded >= 100);
  expect(first.finished).toBeUndefined();
  const second = await index(jsonl, path, ({ embedded }) => embedded >= 100);
  expect(second.finished).toBeUndefined();
  expect(second.unchanged).toBeGreaterThanOrEqual(first.embedded);
  const last = await index(jsonl, path, () => false);
  expect(last).toMatchObject({ finished: true, documents: COUNT });
  expect(last.unchanged).toBeGreaterThanOrEqual(first.embedded + second.embedded);
  expect(last.unchanged + last.embedded).toBe(COUNT);

  await using embedder = await Embedder.load();
  const store = await MemoryStore.open({ space: embedder.space, path });
  expect(await store.count()).toBe(COUNT);
  expect(await store.count({ lang: 'en' })).toBe(COUNT / 2);
  const stored = await store.get(documents.map(({ id }) => id));
  expect(stored.map((document) => document?.text)).toEqual(documents.map(({ text }) => text));
  await store.close();
});
