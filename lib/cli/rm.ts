import { createInterface } from 'node:readline';
import { messageOf } from '../errors';
import { requireModelId } from '../hub/model-id';
import { planRemoval } from '../hub/remove';
import { hubCacheFolder } from '../hub/settings';
import { formatBytes } from './bytes';
import { readValues, UsageError } from './command-line';
import { INTERRUPTED } from './interrupt';
import { readOne } from './pull';

const OPTIONS = { yes: { type: 'boolean' } } as const;

export const help = `crossrank rm ID[@REVISION]     removes a model from the Hugging Face cache

ID is ORGANISATION/NAME. With REVISION (a branch, a tag, a commit or its beginning) that revision alone, and the
files that no other revision needs; without it all of them. Other programs that use the cache lose it too.

  --yes                      do not ask`;

export async function run(args: readonly string[]): Promise<number> {
  const positionals: string[] = [];
  const values = readValues(args, OPTIONS, positionals);
  const id = requireModelId(readOne(positionals));
  const removal = await planRemoval(hubCacheFolder(undefined), id);
  const count = removal.commits.length === 1 ? '1 revision' : `${removal.commits.length} revisions`;
  const what = `${id.repository}: ${count}, ${formatBytes(removal.bytes)}`;
  if (values.yes === undefined) {
    const answer = await ask(`Remove ${what}? [y/N] `);
    if (answer === undefined) return INTERRUPTED;
    if (!/^y(es)?$/i.test(answer.trim())) {
      console.log('nothing was removed');
      return 1;
    }
  }
  try {
    await removal.run();
  } catch (error) {
    console.error(`${id.repository} could not be removed, or only in part: ${messageOf(error)}`);
    return 1;
  }
  console.log(`removed ${what}`);
  return 0;
}

/** Undefined after Ctrl-C; the end of the input is no answer. */
async function ask(question: string): Promise<string | undefined> {
  if (!process.stdin.isTTY) throw new UsageError('--yes is needed where nobody can be asked');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise((resolve) => {
      terminal.once('SIGINT', () => resolve(undefined));
      terminal.once('close', () => resolve(''));
      terminal.question(question, resolve);
    });
  } finally {
    terminal.close();
  }
}
