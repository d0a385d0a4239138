// The checks of `npm run release:check` are modules of scripts/: they run in a Node of their own.

import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './models';
import { environmentWithoutNpm, runNode } from './npm';

/** What a check found. */
export interface Outcome {
  problems: string[];
  facts?: string;
}

/** Calls `name` of `scripts/<file>` with `args`, which are JSON as its answer is. */
export function callScript<T = Outcome>(file: string, name: string, ...args: unknown[]): T {
  return evaluate<T>(file, `await script.${name}(...JSON.parse(process.argv[1]))`, args);
}

/** What `scripts/<file>` exports. */
export function scriptValues<T>(file: string): T {
  return evaluate<T>(file, 'script', []);
}

function evaluate<T>(file: string, expression: string, args: unknown[]): T {
  const url = pathToFileURL(path.join(ROOT, 'scripts', file)).href;
  const code = `import * as script from ${JSON.stringify(url)}; console.log('\\n' + JSON.stringify(${expression} ?? null));`;
  const input = ['--input-type=module', '-e', code, JSON.stringify(args)];
  const output = runNode(input, ROOT, environmentWithoutNpm());
  return JSON.parse(output.trimEnd().split('\n').at(-1) as string) as T;
}

/** Writes `files`, name -> content, below `folder`. Objects are written as JSON. */
export function writeFiles(folder: string, files: Record<string, string | object>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  }
}
