import { writeFileSync } from 'node:fs';
import { UsageError } from '../lib/cli/command-line';

/** Writes a file that an option names; one that cannot be written is the caller's mistake. */
export function writeNamed(option: string, path: string, content: string): void {
  try {
    writeFileSync(path, content);
  } catch (error) {
    throw new UsageError(`--${option}: ${(error as Error).message}`);
  }
}

/** Runs a bench on the command line's arguments. Exit code 2: it was called wrongly; 1: it failed. */
export function runBench(main: (args: readonly string[]) => Promise<void>): void {
  // An orderly exit: exit handlers run, and a model that is just being written is completed first.
  process.once('SIGINT', () => process.exit(130));
  main(process.argv.slice(2)).catch((error: Error) => {
    console.error(error instanceof UsageError ? error.message : `bench: ${error.message}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  });
}
