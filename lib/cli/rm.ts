import { createInterface } from 'node:readline/promises';
import { requireModelId } from '../hub/model-id';
import { planRemoval } from '../hub/remove';
import { hubCacheFolder } from '../hub/settings';
import { formatBytes } from './bytes';
import { readValues, UsageError } from './command-line';
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
  if (values.yes === undefined && !(await confirmed(`Remove ${what}? [y/N] `))) {
    console.log('nothing was removed');
    return 1;
  }
  await removal.run();
  console.log(`removed ${what}`);
  return 0;
}

async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError('--yes is needed where nobody can be asked');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}
