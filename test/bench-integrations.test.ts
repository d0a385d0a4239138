import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IntegrationsResult } from '../bench/integrations/measure';
import { runScript } from './support/bench';
import { temporaryFolder } from './support/models';

const bench = (...args: string[]) =>
  runScript(join(__dirname, '../bench/integrations/integrations.js'), args);

/** As the help lists them. */
const SIDES = [
  'library',
  'ai-sdk-rerank',
  'ai-sdk-embedMany',
  'langchain-retriever',
  'langchain-embeddings',
  'llamaindex-postprocessor',
  'llamaindex-embedding',
  'mastra-rerankWithScorer',
  'mcp-rerank-stdio',
];

test.each([
  [['--roun', '2'], /unknown option --roun; known are .*--rounds/],
  [['--requests', '0'], /--requests takes an integer from 1 to 100000, not "0"/],
  [['--only', 'library,haystack'], /--only takes library, ai-sdk-rerank, .*, not "haystack"/],
])('%j is refused by name', async (args, message) => {
  const { status, stdout, stderr } = await bench(...args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(message);
});

test('--help names every framework and leaves nothing measured', async () => {
  const { status, stdout } = await bench('--help');
  expect(status).toBe(0);
  expect(stdout).toContain(`of ${SIDES.join(', ')} (default all)`);
});

test('every framework is measured beside the library, reported, and written as JSON', async () => {
  const json = join(temporaryFolder(), 'out.json');
  const small = ['--shape', 'tiny', '--threads', '1', '--rounds', '1', '--requests', '1'];
  const { status, stdout, stderr } = await bench(...small, '--json', json);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(
    /^.*\n.*tiny \(random weights\), \S+, 1 threads; requests of 20 documents, in turns/,
  );
  const { overheads } = JSON.parse(readFileSync(json, 'utf8')) as IntegrationsResult;
  expect(overheads.map(({ name }) => name.replaceAll(/,? /g, '-'))).toEqual(SIDES);
  for (const { name, rounds, ratio, layerMs, layerShare } of overheads) {
    expect(stdout).toContain(name);
    expect(rounds).toHaveLength(1);
    const [{ framework, library }] = rounds as [IntegrationsResult['overheads'][number]['rounds'][number]];
    expect(ratio.median).toBe(framework / library);
    expect(layerShare).toBeCloseTo((layerMs * library) / 20_000, 10);
    expect(layerMs).toBeGreaterThan(0);
  }
});
