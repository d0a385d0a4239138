import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { agreementOf } from '../bench/peers/agreement';
import { parsePeersArguments } from '../bench/peers/arguments';
import { type Measured, ratiosOf, summarizeRounds } from '../bench/peers/result';
import { PeerWorker } from '../bench/peers/worker';
import { UsageError } from '../lib/cli/command-line';
import { temporaryFolder } from './support/models';

const PEERS = join(__dirname, '../bench/peers/peers.js');

function peers(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PEERS, ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

describe('the command line', () => {
  test('has the defaults that the help tells', () => {
    expect(parsePeersArguments([])).toMatchObject({
      shape: 'minilm-l6',
      model: undefined,
      rounds: 5,
      documents: 100,
      length: { min: 60, max: 130 },
      requests: 2,
      probe: 2,
      only: ['crossrank', 'torch', 'onnxruntime', 'openvino', 'transformers.js'],
      precision: ['fp32', 'bf16', 'int8'],
    });
  });

  test('reads lists', () => {
    const options = parsePeersArguments(['--only', 'openvino,crossrank', '--precision=int8', '--probe', '0']);
    expect(options).toMatchObject({ only: ['openvino', 'crossrank'], precision: ['int8'], probe: 0 });
  });

  test.each([
    [['--peers', 'x'], /unknown option --peers; known are .*--only/],
    [['--only', 'tei'], /--only takes crossrank, torch, .*, not "tei"/],
    [['--only', 'crossrank,'], /--only takes .*, not ""/],
    [['--precision', 'fp16'], /--precision takes fp32, bf16, int8, not "fp16"/],
    [['--rounds', '0'], /--rounds takes an integer from 1/],
    [['--shape', 'tiny', '--model', 'x'], /--model and --shape/],
    [['--install=yes'], /--install takes no value/],
  ])('%j is refused by name', (args, message) => {
    expect(() => parsePeersArguments(args)).toThrow(UsageError);
    expect(() => parsePeersArguments(args)).toThrow(message);
  });
});

describe('agreement', () => {
  const reference = [0.1, 0.4, 0.2, 0.9, 0.5];

  test('of the same scores is full', () => {
    expect(agreementOf(reference, reference)).toEqual({ maxDifference: 0, kendall: 1, spearman: 1 });
    const doubled = agreementOf(
      reference.map((score) => 2 * score),
      reference,
    );
    expect(doubled.kendall).toBe(1);
    expect(doubled.spearman).toBeCloseTo(1);
    expect(doubled.maxDifference).toBeCloseTo(0.9);
  });

  test('of the opposite order is -1', () => {
    const { kendall, spearman } = agreementOf(
      reference.map((score) => -score),
      reference,
    );
    expect(kendall).toBe(-1);
    expect(spearman).toBeCloseTo(-1);
  });

  test('counts one swap of neighbours, and ties', () => {
    // scipy.stats.kendalltau and spearmanr
    expect(agreementOf([1, 3, 2, 4], [1, 2, 3, 4])).toMatchObject({ kendall: 4 / 6, spearman: 0.8 });
    const tied = agreementOf([1, 1, 2, 3], [1, 2, 3, 4]);
    expect(tied.kendall).toBeCloseTo(0.9128709, 6);
    expect(tied.spearman).toBeCloseTo(0.9486833, 6);
  });

  test('of scores that are no numbers, or too few, is an error', () => {
    expect(() => agreementOf([Number.NaN], [1])).toThrow(RangeError);
    expect(() => agreementOf([1], [1, 2])).toThrow(RangeError);
  });
});

describe('rounds', () => {
  const contender = (peer: string, name: string, precision: 'fp32' | 'int8', rates: number[]): Measured => ({
    ...{ name, peer, precision, how: '', versions: {}, execution: '', loadMs: 1, peakBytes: 1 },
    ...summarizeRounds(
      rates.map((rate) => ({ pairsPerSecond: rate, tokensPerSecond: 100 * rate, requestMs: [1000 / rate] })),
    ),
    agreement: { maxDifference: 0, kendall: 1, spearman: 1 },
  });
  const ours = contender('crossrank', 'crossrank fp32', 'fp32', [200, 100, 300]);

  test('are told by their median and spread', () => {
    expect(ours.pairsPerSecond).toEqual({ min: 100, median: 200, max: 300 });
    expect(ours.tokensPerSecond.median).toBe(20_000);
    expect(ours.requestMs).toEqual({ p50: 5, p95: 10 });
  });

  test('a ratio is of the same round, over the best OpenVINO of the class', () => {
    const ratios = ratiosOf([
      ours,
      contender('openvino', 'openvino fp32', 'fp32', [100, 50, 150]),
      contender('openvino', 'openvino fp32, fastest way', 'fp32', [150, 80, 100]),
      contender('openvino', 'openvino int8', 'int8', [900, 900, 900]),
      contender('torch', 'torch fp32', 'fp32', [500, 500, 500]),
    ]);
    // Of both ways the median is 100; the first of equals stays.
    expect(ratios).toEqual([
      {
        precision: 'fp32',
        of: 'crossrank fp32',
        over: 'openvino fp32',
        ratio: { min: 2, median: 2, max: 2 },
        rounds: [2, 2, 2],
      },
    ]);
  });

  test('without OpenVINO the fastest peer stands in, and without peers there is no ratio', () => {
    const torch = contender('torch', 'torch fp32', 'fp32', [100, 100, 100]);
    expect(ratiosOf([ours, torch])[0]).toMatchObject({ over: 'torch fp32', rounds: [2, 1, 3] });
    expect(ratiosOf([ours])).toEqual([]);
  });
});

describe('a worker', () => {
  const request = { query: 'q', documents: ['d'] };

  /** Answers each line as the script says: `line` is the call, `answer` writes. */
  function worker(script: string, answerMs = 30_000): PeerWorker {
    const program = `const answer = (text) => process.stdout.write(text + '\\n');
      require('node:readline').createInterface({ input: process.stdin }).on('line', (text) => {
        const line = JSON.parse(text); ${script} });`;
    return new PeerWorker({ command: process.execPath, args: ['-e', program] }, answerMs);
  }

  test('answers calls one after the other', async () => {
    const peer = worker('answer(JSON.stringify({ id: line.id, value: line.argument.documents }))');
    expect(await peer.call('score', request)).toEqual(['d']);
    expect(await peer.call('score', { ...request, documents: ['e'] })).toEqual(['e']);
    peer.close();
  });

  test('that a library fails in lives on', async () => {
    const peer = worker(
      `answer(JSON.stringify(line.id === 1 ? { id: 1, error: 'ValueError: no' } : { id: 2, value: 5 }))`,
    );
    await expect(peer.call('score', request)).rejects.toMatchObject({
      code: 'PEER_FAILED',
      message: 'ValueError: no',
    });
    expect(await peer.call('score', request)).toBe(5);
    peer.close();
  });

  test('that dies is told with its last words, then and later', async () => {
    const peer = worker(`console.error('out of luck'); process.exit(3)`);
    const died = { code: 'PEER_DIED', message: 'its process ended (exit code 3): out of luck' };
    await expect(peer.call('score', request)).rejects.toMatchObject(died);
    await expect(peer.call('memory', {})).rejects.toMatchObject(died);
  });

  test('that is killed between calls refuses the next', async () => {
    const peer = worker(
      `answer(JSON.stringify({ id: line.id, value: 1 })); process.kill(process.pid, 'SIGKILL')`,
    );
    await peer.call('score', request);
    await expect(peer.call('score', request)).rejects.toMatchObject({ code: 'PEER_DIED' });
  });

  test.each([
    ['text', `answer('Loading weights ...')`],
    ['JSON of another kind', `answer('[1, 2]')`],
    ['null', `answer('null')`],
    ['an answer to no call', `answer(JSON.stringify({ id: 99, value: 1 }))`],
    ['neither value nor error', `answer(JSON.stringify({ id: line.id }))`],
  ])('that answers %s is garbled', async (_, script) => {
    const peer = worker(script);
    await expect(peer.call('score', request)).rejects.toMatchObject({ code: 'PEER_GARBLED' });
    await expect(peer.call('score', request)).rejects.toMatchObject({ code: 'PEER_GARBLED' });
  });

  test('that keeps silent is not waited for', async () => {
    const peer = worker('', 100);
    await expect(peer.call('score', request)).rejects.toMatchObject({
      code: 'PEER_SILENT',
      message: 'no answer to score in 0.1 s',
    });
  });

  test('whose program is missing is told so', async () => {
    const peer = new PeerWorker({ command: join(temporaryFolder(), 'python'), args: [] });
    await expect(peer.call('score', request)).rejects.toMatchObject({
      code: 'PEER_DIED',
      message: expect.stringContaining('could not start'),
    });
  });
});

describe('a run', () => {
  test('of crossrank alone needs nothing installed, and gives everything that is measured', async () => {
    const folder = temporaryFolder();
    const [json, svg] = [join(folder, 'out.json'), join(folder, 'out.svg')];
    const load = ['--documents', '20', '--length', '10-20', '--rounds', '2', '--requests', '1'];
    const only = ['--only', 'crossrank', '--precision', 'fp32'];
    const { status, stdout, stderr } = await peers(
      ...['--shape', 'tiny', ...load, ...only, '--json', json, '--svg', svg],
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^ {2}crossrank fp32 +\d/m);

    const result = JSON.parse(readFileSync(json, 'utf8'));
    expect(result).toMatchObject({
      machine: { cpu: expect.any(String), usableProcessors: expect.any(Number) },
      model: { name: 'tiny', synthetic: true },
      documents: 20,
      requestDocuments: 20,
      rounds: 2,
      reference: expect.stringMatching(/^(torch float64|crossrank fp32)$/),
      ratios: [],
      probes: [],
    });
    // 8 words of a query, 3 special tokens, 10 to 20 of a document
    expect(result.tokensPerPair).toBeGreaterThan(20);
    expect(result.tokensPerPair).toBeLessThan(40);
    const [ours] = result.measured;
    expect(ours).toMatchObject({ name: 'crossrank fp32', peer: 'crossrank', precision: 'fp32' });
    expect(ours.rounds).toHaveLength(2);
    expect(ours.pairsPerSecond.min).toBeGreaterThan(0);
    expect(ours.tokensPerSecond.median).toBeGreaterThan(ours.pairsPerSecond.median);
    expect(ours.requestMs.p50).toBeLessThanOrEqual(ours.requestMs.p95);
    expect(ours.peakBytes).toBeGreaterThan(1e6);
    expect(ours.agreement.maxDifference).toBeLessThan(1e-4);
    expect(ours.agreement.kendall).toBeGreaterThan(0.99);
    const drawn = readFileSync(svg, 'utf8');
    expect(drawn).toContain('>crossrank fp32</text>');
    expect(drawn).not.toMatch(/NaN|undefined|Infinity/);
  }, 120_000);

  test('errors leave no stack trace', async () => {
    const { status, stdout, stderr } = await peers('--only', 'nobody');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});
