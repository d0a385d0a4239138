import { join } from 'node:path';
import { runScript } from './support/bench';

const bench = (...args: string[]) => runScript(join(__dirname, '../bench/vectors.js'), args);

test('bench:vectors measures both scans at each concurrency, and a store of documents', async () => {
  const small = ['--vectors', '3000', '--dimension', '24', '--seconds', '0.05', '--concurrency', '1,3'];
  const { status, stdout, stderr } = await bench(...small, '--documents', '500');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const scan of ['plain', 'quantized']) {
    for (const atOnce of [1, 3]) {
      expect(stdout).toMatch(
        new RegExp(`^${scan} +${atOnce} +\\d+\\.\\d\\d +\\d+\\.\\d\\d +\\d+\\.\\d\\d +[1-9]`, 'm'),
      );
    }
  }
  expect(stdout).toMatch(/^500 documents without their vectors: \d+ MB, \d+ bytes each$/m);
});

test('bench:vectors says what is wrong with its arguments', async () => {
  expect(await bench('--dimension', '0')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--dimension'),
  });
  expect(await bench('--topk', '3')).toMatchObject({ status: 2, stderr: expect.stringContaining('--top-k') });
  expect(await bench('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--rerank') });
});
