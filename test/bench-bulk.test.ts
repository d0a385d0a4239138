import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../bench/arguments';
import { parseBulkArguments } from '../bench/bulk/arguments';
import { runScript } from './support/bench';
import { temporaryFolder } from './support/models';
import { RedisServer, redisProgram } from './support/redis-server';

const bench = (...args: string[]) => runScript(join(__dirname, '../bench/bulk/bulk.js'), args);

test.each([
  [['--worker', '2'], /unknown option --worker; known are .*--workers/],
  [['--workers', '0'], /--workers takes an integer from 1 to 256, not "0"/],
  [['--pairs', '50', '--rounds', '5'], /--pairs takes 20 a round at least/],
])('%j is refused by name', (args, message) => {
  expect(() => parseBulkArguments(args)).toThrow(UsageError);
  expect(() => parseBulkArguments(args)).toThrow(message);
});

test('both sides answer as many pairs, through a real Redis', async () => {
  const redis = await RedisServer.start(redisProgram());
  const json = join(temporaryFolder(), 'out.json');
  try {
    const small = ['--shape', 'tiny', '--pairs', '400', '--rounds', '2', '--workers', '1', '--threads', '1'];
    const { status, stdout, stderr } = await bench(...small, '--redis', redis.url, '--json', json);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(
      /1 workers through Redis .* 2 rounds of 200 pairs\n\nlibrary \d+ pairs\/s at best/,
    );
  } finally {
    await redis.kill();
  }
  const { rounds, ratio, pairs } = JSON.parse(readFileSync(json, 'utf8'));
  expect(pairs).toBe(200);
  expect(rounds).toHaveLength(2);
  for (const { library, bulk } of rounds) expect(Math.min(library, bulk)).toBeGreaterThan(0);
  expect(ratio.median).toBeGreaterThan(0);
});
