import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Reranker } from '../lib';
import { runJson } from './support/child';
import { fixture, temporaryFolder } from './support/models';

// A process uses one ONNX Runtime, so each case has a process of its own. After the refusal the same process must rank.
const SCRIPT = `
(async () => {
  const refused = await Reranker.load(process.env.MODEL, { onnxRuntimePath: process.env.LIBRARY }).then(
    () => 'loaded',
    (error) => ({ code: error.code, message: error.message, ours: error instanceof CrossrankError }),
  );
  const model = await Reranker.load(process.env.MODEL);
  const { results } = await model.rerank('planet', ['one', 'two']);
  await model.dispose();
  console.log(JSON.stringify({ refused, ranked: results.length }));
})();`;

function refusal(library: string) {
  return runJson(SCRIPT, { MODEL: fixture('bert'), LIBRARY: library });
}

test('a library that is missing', () => {
  expect(refusal('/no/such/libonnxruntime.so')).toEqual({
    refused: {
      code: 'ERR_RUNTIME',
      message: expect.stringMatching(
        /cannot load ONNX Runtime from \/no\/such.*reinstall crossrank, or point onnxRuntimePath/,
      ),
      ours: true,
    },
    ranked: 2,
  });
});

test('a file that is no library', () => {
  const file = join(temporaryFolder(), 'libonnxruntime.so');
  writeFileSync(file, 'not a library');
  expect(refusal(file)).toMatchObject({ refused: { code: 'ERR_RUNTIME' }, ranked: 2 });
});

test('a library that is not ONNX Runtime', async () => {
  const addon = process.report?.getReport() as { sharedObjects?: string[] } | undefined;
  const library = addon?.sharedObjects?.find((path) => /libm\.so|libm-/.test(path));
  if (library === undefined) throw new Error('this process has no libm to try');
  expect(refusal(library)).toMatchObject({
    refused: { code: 'ERR_RUNTIME', message: expect.stringContaining('is no ONNX Runtime library') },
    ranked: 2,
  });
});

test('another library by option or environment variable is used', async () => {
  await using model = await Reranker.load(fixture('bert'));
  const copy = join(temporaryFolder(), 'another-onnxruntime.so');
  copyFileSync(model.info().onnxRuntime.path, copy);
  const script = `
    (async () => {
      const model = await Reranker.load(process.env.MODEL, process.env.LIBRARY ? { onnxRuntimePath: process.env.LIBRARY } : {});
      console.log(JSON.stringify(model.info().onnxRuntime.path));
      await model.dispose();
    })();`;
  expect(runJson(script, { MODEL: fixture('bert'), LIBRARY: copy })).toBe(copy);
  expect(runJson(script, { MODEL: fixture('bert'), CROSSRANK_ONNXRUNTIME: copy })).toBe(copy);
});

test('a second library in the same process is refused', async () => {
  await using model = await Reranker.load(fixture('bert'));
  await expect(
    Reranker.load(fixture('bert'), { onnxRuntimePath: '/another/libonnxruntime.so' }),
  ).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining('one process uses one'),
  });
  expect((await model.rerank('q', ['d'])).results).toHaveLength(1);
});
