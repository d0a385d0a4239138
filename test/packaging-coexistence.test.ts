// crossrank beside other copies of ONNX Runtime in one process, and what its own copy leaves on the disk.

import fs from 'node:fs';
import path from 'node:path';
import { ROOT, temporaryFolder } from './support/models';
import { installPackage, runNode } from './support/npm';

const temporary = temporaryFolder();
const olderVersion = '1.21.0'; // what transformers.js 3 pins

/** Runs a script that is a function body with `await`; returns its output lines. */
function runScript(body: string, env: NodeJS.ProcessEnv = process.env): string[] {
  const script = `(async () => {${body}})().catch((error) => { console.error(error); process.exit(1); });`;
  return runNode(['-e', script], temporary, env).trim().split('\n');
}

// onnx.proto: a field is (number << 3 | wire type), then a varint or a length and its bytes.
const varint = (field: number, value: number): Buffer => Buffer.from([field << 3, value]);
const bytes = (field: number, value: Buffer | string): Buffer => {
  const content = Buffer.from(value as string);
  return Buffer.concat([Buffer.from([(field << 3) | 2, content.length]), content]);
};

/** ModelProto of `y = Identity(x)` over float[1]. */
function identityModel(): Buffer {
  const shape = bytes(2, bytes(1, varint(1, 1)));
  const float = bytes(1, Buffer.concat([varint(1, 1), shape]));
  const value = (name: string) => Buffer.concat([bytes(1, name), bytes(2, float)]);
  const node = Buffer.concat([bytes(1, 'x'), bytes(2, 'y'), bytes(4, 'Identity')]);
  const graph = Buffer.concat([bytes(1, node), bytes(2, 'g'), bytes(11, value('x')), bytes(12, value('y'))]);
  return Buffer.concat([varint(1, 8), bytes(7, graph), bytes(8, varint(2, 17))]);
}

const RANK = `
  const { Reranker } = require(${JSON.stringify(ROOT)});
  globalThis.reranker ??= await Reranker.load();
  const ranked = await reranker.rerank('how do I install Node.js?', ['Bananas.', 'Install Node.js like this.']);
  console.log('crossrank', ranked.results[0].index);`;

/** Creates a session of an onnxruntime-node package and runs it. */
function runIdentity(packageFolder: string): string {
  return `
    const ort = require(${JSON.stringify(packageFolder)});
    const model = Buffer.from('${identityModel().toString('base64')}', 'base64');
    globalThis.session ??= await ort.InferenceSession.create(model);
    const { y } = await session.run({ x: new ort.Tensor('float32', [3], [1]) });
    console.log('onnxruntime-node', y.data[0]);`;
}

describe('with an older onnxruntime-node in the same process', () => {
  const release = 'await reranker.dispose();';
  let older: string;

  beforeAll(() => {
    older = installPackage(temporary, 'onnxruntime-node', olderVersion);
  }, 300_000);

  test('both run, crossrank first', () => {
    const output = runScript(`{${RANK}} {${runIdentity(older)}} {${RANK}} ${release}`);
    expect(output).toEqual(['crossrank 1', 'onnxruntime-node 3', 'crossrank 1']);
  }, 60_000);

  test('both run, onnxruntime-node first', () => {
    const output = runScript(`{${runIdentity(older)}} {${RANK}} {${runIdentity(older)}} ${release}`);
    expect(output).toEqual(['onnxruntime-node 3', 'crossrank 1', 'onnxruntime-node 3']);
  }, 60_000);

  const onLinux = process.platform === 'linux' ? test : test.skip;
  onLinux(
    'each has its own library',
    () => {
      const maps = `
      const mapped = require('node:fs').readFileSync('/proc/self/maps', 'utf8');
      const paths = new Set(mapped.match(/\\/\\S*(libonnxruntime|libcrossrank-ort)\\S*/g));
      console.log(JSON.stringify([...paths]));`;
      const output = runScript(`{${RANK}} {${runIdentity(older)}} ${maps} ${release}`);
      const paths = JSON.parse(output.at(-1) as string) as string[];
      expect(paths.map((file) => path.basename(file)).sort()).toEqual([
        'libcrossrank-ort.so',
        expect.stringMatching(/^libonnxruntime\.so\.1/),
      ]);
      expect(paths.filter((file) => file.startsWith(fs.realpathSync(older)))).toHaveLength(1);
    },
    60_000,
  );
});

describe('another ONNX Runtime by option', () => {
  function libraryOf(packageFolder: string): string {
    const files = fs.readdirSync(packageFolder, { recursive: true }).map(String);
    const suffix = new RegExp(
      `${process.platform}.${process.arch}.(lib)?onnxruntime[^/]*(so[.\\d]*|dylib|dll)$`,
    );
    const file = files.find((name) => suffix.test(name));
    if (file === undefined) throw new Error(`no ONNX Runtime for this platform in ${packageFolder}`);
    return path.join(packageFolder, file);
  }

  /** Version and logits, or the error's code and message. */
  function scoreWith(library: string | undefined): string {
    const options = library === undefined ? '{}' : JSON.stringify({ onnxRuntimePath: library });
    const output = runScript(`
      const { Reranker } = require(${JSON.stringify(ROOT)});
      try {
        const reranker = await Reranker.load(undefined, ${options});
        const scores = await reranker.predict([['red planet', 'Mars is red.'], ['', '']], { scores: 'raw' });
        console.log(reranker.info().onnxRuntime.version, ...scores);
        await reranker.dispose();
      } catch (error) {
        console.log(error.code, error.message);
      }`);
    return output.at(-1) as string;
  }

  test.each(['1.18.0', '1.21.0'])(
    'version %s scores as ours',
    (release) => {
      const [, ...expected] = scoreWith(undefined).split(' ');
      const folder = path.join(temporary, `onnxruntime-node-${release}`, 'node_modules', 'onnxruntime-node');
      if (!fs.existsSync(folder)) installPackage(temporary, 'onnxruntime-node', release);
      const [version, ...scores] = scoreWith(libraryOf(folder)).split(' ');
      expect(version).toBe(release);
      // Another version may sum in another order.
      scores.forEach((score, i) => expect(Number(score)).toBeCloseTo(Number(expected[i]), 4));
    },
    300_000,
  );

  test('version 1.17.3 is too old, and the message says what is needed', () => {
    const library = libraryOf(installPackage(temporary, 'onnxruntime-node', '1.17.3'));
    expect(scoreWith(library)).toMatch(
      /^ERR_RUNTIME ONNX Runtime 1\.17\.3 at .* is too old; .* 1\.18 or newer$/,
    );
  }, 300_000);
});

describe('telemetry', () => {
  /** Every file that a script leaves when all places for personal and temporary files are one empty folder. */
  function filesLeftBy(name: string, body: string): string[] {
    const home = path.join(temporary, name);
    fs.mkdirSync(home);
    const places = ['HOME', 'TMPDIR', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME'];
    const env = Object.fromEntries(places.map((place) => [place, home]));
    // No CI and no ORT_DISABLE_TELEMETRY: only what crossrank does by itself keeps it quiet.
    runScript(body, { PATH: process.env.PATH, ...env });
    return fs.readdirSync(home, { recursive: true }).map(String);
  }

  test('ranking leaves no file', () => {
    expect(filesLeftBy('quiet', `{${RANK}} await reranker.dispose();`)).toEqual([]);
  }, 60_000);

  // The control for the test above: the same library, asked by someone else, does write.
  const onLinux = process.platform === 'linux' ? test : test.skip;
  onLinux(
    'the same ONNX Runtime leaves files when nobody turns it off',
    () => {
      const files = filesLeftBy(
        'talkative',
        `{${runIdentity(path.join(ROOT, 'node_modules', 'onnxruntime-node'))}}`,
      );
      expect(files).toContainEqual(expect.stringMatching(/\.onnxruntime\/onnxruntime\.db$/));
    },
    60_000,
  );
});
