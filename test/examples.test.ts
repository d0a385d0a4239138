import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../bench/free-port';
import { ChildServer } from './support/child-server';
import { chromaCommand } from './support/chroma-server';
import { ROOT, temporaryFolder } from './support/models';

/** What `npm run example:NAME -- args` runs after its set-up. */
function example(name: string, ...args: string[]): string {
  const path = join(ROOT, 'dist/examples', name);
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

test('the small example ranks the right passage first', () => {
  expect(example('rerank.js')).toMatch(/^\d\.\d{3} Install Node\.js with .*\n(?:.+\n){2}$/);
});

const FOUND =
  /^7 documents embedded, 0 were there already\n\nWhat does a cross-encoder read\?\n1\. .*A cross-encoder reads(?:.*\n){5}怎样处理很长的文档？\n1\. .*长文档/;

test('the larger one searches documents in memory', () => {
  expect(example('search.js')).toMatch(FOUND);
});

test.each([
  ['ai-sdk', /^0\.\d{3} Mars\n0\.\d{3} Venus\n0\.\d\d 0\.\d\d 0\.\d\d\n$/],
  ['langchain', /^0\.\d{3} Mars is .*\n0\.\d{3} Venus is .*\n$/],
  ['llamaindex', /^0\.\d{3} Mars is .*\n0\.\d{3} Venus is .*\n$/],
  ['mastra', /^0\.\d{3} mars\n0\.\d{3} venus\n$/],
  ['mcp', /^0\.\d{3} Mars is .*\n0\.\d{3} Venus is .*\n$/],
])('the one for %s reranks in less than 30 lines', (name, expected) => {
  expect(example(`${name}.mjs`)).toMatch(expected);
  expect(readFileSync(join(ROOT, 'examples', `${name}.mts`), 'utf8').split('\n').length).toBeLessThanOrEqual(
    30,
  );
});

const chroma = chromaCommand();
if ('reason' in chroma) console.warn(`The example is not run on Chroma: ${chroma.reason}`);
const testOnChroma = 'command' in chroma ? test : test.skip;

testOnChroma('and in a Chroma server, where the second run finds them', async () => {
  const port = await freePort();
  const { command } = chroma as { command: string[] };
  const run = ['run', '--host', '127.0.0.1', '--port', `${port}`, '--path', temporaryFolder()];
  const server = new ChildServer(port, [...command, ...run], '/api/v2/heartbeat');
  await server.start();
  try {
    expect(example('search.js', server.url)).toMatch(FOUND);
    expect(example('search.js', server.url)).toMatch(/^0 documents embedded, 7 were there already/);
  } finally {
    await server.kill();
  }
});
