import { readValues } from './command-line';
import { type Check, ok, problem } from './doctor/check';
import { checkAddon, checkEngine, checkModels, checkOptionalPackages, guarded } from './doctor/engine';
import { checkHub } from './doctor/hub';
import { checkMemory, checkNode, checkPlatform, checkProcessors } from './doctor/machine';
import { whileRead } from './output';
import { Progress } from './progress';

const OPTIONS = { json: { type: 'boolean' } } as const;

export const help = `crossrank doctor             what works on this machine, and what to do about the rest

Looks at the platform, Node.js, processors, memory, the native addon, ONNX Runtime, CPU kernels and precisions, the
embedded models, the profile of crossrank tune, the folder of downloaded models and the network's settings. Nothing is
changed, and nothing is sent.

  --json                     the report as JSON

Each line is ok, warning (it works, but not as well as it might) or problem (something needed is broken); the exit
code is 1 where there is a problem.

Example: crossrank doctor`;

export async function run(args: readonly string[]): Promise<number> {
  const { json } = readValues(args, OPTIONS);
  const progress = new Progress();
  try {
    return await whileRead(
      async (output, signal) => {
        const checks = await checkAll(signal, progress);
        progress.clear();
        const healthy = checks.every(({ status }) => status !== 'problem');
        const text = json === undefined ? describeChecks(checks) : JSON.stringify({ healthy, checks });
        await output.write(`${text}\n`);
        return healthy ? 0 : 1;
      },
      () => 'interrupted before everything was looked at',
    );
  } finally {
    progress.clear();
  }
}

async function checkAll(signal: AbortSignal, progress: Progress): Promise<Check[]> {
  const checks: Check[] = [];
  const add = async (name: string, done: number, check: () => Promise<Check[]> | Check[]) => {
    signal.throwIfAborted();
    progress.show(`looking at ${name}`, done);
    checks.push(...(await guarded(name, check)));
  };
  await add('the machine', 0, () => [checkPlatform(), checkNode(), checkProcessors(), checkMemory()]);
  const addon = checkAddon();
  checks.push(addon);
  if (addon.status === 'ok') {
    await add('the engine', 0.1, checkEngine);
    await add('the models', 0.6, checkModels);
  } else {
    checks.push(problem('engine', 'nothing runs without the native addon', 'see to the addon first'));
  }
  await add('downloaded models', 0.8, () => checkHub());
  checks.push(checkOptionalPackages());
  const count = (status: Check['status']) => checks.filter((check) => check.status === status).length;
  if (count('problem') + count('warning') === 0) checks.push(ok('all in all', 'everything works here'));
  return checks;
}

function describeChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const indent = ' '.repeat('problem'.length + width + 4);
  return checks
    .map(({ name, status, message, advice }) => {
      const lines = [...message.split('\n'), ...(advice === undefined ? [] : [`-> ${advice}`])];
      return `${status.padEnd('problem'.length)}  ${name.padEnd(width)}  ${lines.join(`\n${indent}`)}`;
    })
    .join('\n');
}
