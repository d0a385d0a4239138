import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDocuments, type StoredDocument } from '../lib';
import { temporaryFolder } from './support/models';

const folder = temporaryFolder();

async function read(content: string, name = 'documents.jsonl'): Promise<StoredDocument[]> {
  const path = join(folder, name);
  writeFileSync(path, content);
  const documents: StoredDocument[] = [];
  for await (const document of readDocuments(path)) documents.push(document);
  return documents;
}

test('ids, titles and metadata, as JSON lines and BEIR have them', async () => {
  const lines: unknown[] = [
    { id: 'a', text: 'plain' },
    { _id: 7, title: 'Title', text: 'text', lang: 'zh', year: 2020, draft: false, tags: ['x'], parent: null },
    { id: 'c', text: '', metadata: { lang: 'en', year: 1 }, year: 2 },
    { id: '__proto__', text: 't', constructor: 'x' },
  ];
  expect(await read(`\ufeff${lines.map((line) => JSON.stringify(line)).join('\r\n\n')}\n`)).toEqual<
    unknown[]
  >([
    { id: 'a', text: 'plain' },
    { id: '7', text: 'Title text', metadata: { lang: 'zh', year: 2020, draft: false } },
    { id: 'c', text: '', metadata: { lang: 'en', year: 1 } },
    { id: '__proto__', text: 't', metadata: { constructor: 'x' } },
  ]);
  expect(await read('')).toEqual([]);
});

test.each([
  ['{"id": "a"', 'line 2: expected a JSON object with id and text'],
  ['["a"]', 'a JSON object with id and text'],
  ['{"text": "t"}', 'a string that is not empty for id but found nothing'],
  ['{"id": "", "text": "t"}', 'a string that is not empty for id'],
  ['{"id": "a", "text": 7}', 'a string for text but found 7'],
  ['{"id": "a", "text": "t", "title": 7}', 'a string for title'],
  ['{"id": "a", "text": "t", "metadata": {"deep": {}}}', 'flat metadata'],
])('%s is refused with file and line', async (line, message) => {
  await expect(read(`{"id": "first", "text": ""}\n${line}\n`)).rejects.toMatchObject({
    code: 'ERR_DATASET_INVALID',
    message: expect.stringMatching(/documents\.jsonl, line 2: /),
  });
  await expect(read(`{"id": "first", "text": ""}\n${line}\n`)).rejects.toThrow(message);
});

test('a file that is not there is refused by name', async () => {
  const missing = readDocuments(join(folder, 'nothing.jsonl'));
  await expect(missing.next()).rejects.toMatchObject({
    code: 'ERR_DATASET_INVALID',
    message: expect.stringContaining('nothing.jsonl'),
  });
});
