import { join } from 'node:path';
import { runScript } from './support/bench';

const bench = (...args: string[]) => runScript(join(__dirname, '../bench/embed/embed.js'), args);

test('the bench embeds the same texts packed and padded, in turns', async () => {
  const { status, stdout } = await bench('--shape', 'tiny', '--rounds', '2', '--texts', '20', '--json');
  expect(status).toBe(0);
  const { packed, padded, ratio, processorRatio, cosine, tokensPerText } = JSON.parse(stdout);
  expect(packed.model.info).toMatchObject({ packed: true, architecture: 'BertModel', pooling: 'mean' });
  expect(padded.model.info).toMatchObject({ packed: false, architecture: 'model.onnx', pooling: 'mean' });
  expect(cosine).toBeGreaterThan(0.999);
  expect(tokensPerText).toBeGreaterThan(60);
  for (const side of [packed, padded]) {
    expect(side.passes.map(({ tokens }: { tokens: number }) => tokens)).toEqual([
      tokensPerText * 20,
      tokensPerText * 20,
    ]);
    expect(side.textsPerSecond.min).toBeGreaterThan(0);
  }
  const [first, second] = [0, 1].map((i) => padded.passes[i].elapsedMs / packed.passes[i].elapsedMs);
  expect([ratio.min, ratio.max].sort()).toEqual([first, second].sort());
  expect(processorRatio.median).toBeGreaterThan(0);
});

test.each([
  [['--text', '5'], /unknown option --text; known are .*--texts/],
  [['--texts', '0'], /--texts takes an integer from 1/],
  [['--shape', 'tiny', '--model', 'x'], /name two models/],
])('%j is the mistake of who calls it', async (args, message) => {
  const { status, stderr } = await bench(...args);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
});
