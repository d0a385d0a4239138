// The types of every entry point are found, and say what the code is, whichever way a project resolves modules: Node's
// CommonJS and ESM, bundlers, and the resolution of TypeScript before 4.7 (through typesVersions). No rule is left out.

import { spawnSync } from 'node:child_process';
import { packageBin } from '../commands.mjs';

/** @param tarball - Of `npm pack` */
export function checkTypes({ tarball }) {
  const script = packageBin('@arethetypeswrong/cli', 'attw');
  const args = [script, tarball, '--profile', 'strict', '--format', 'json'];
  const { stdout, stderr, error } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    maxBuffer: 256 << 20,
  });
  let answer;
  try {
    answer = JSON.parse(stdout);
  } catch {
    return { problems: [`arethetypeswrong did not run: ${error?.message ?? (stderr || stdout).trim()}`] };
  }
  const { analysis, problems } = answer;
  if (!analysis.types) return { problems: ['the tarball has no types'] };
  const entries = Object.keys(analysis.entrypoints);
  return {
    problems: Object.entries(problems).flatMap(([kind, found]) =>
      found.map((problem) => describe(kind, problem)),
    ),
    facts: `${entries.length} entry points, profile strict`,
  };
}

function describe(kind, { entrypoint, resolutionKind, typesFileName }) {
  const where = [entrypoint, resolutionKind, typesFileName].filter(Boolean).join(', ');
  return `${kind} (${where}): https://github.com/arethetypeswrong/arethetypeswrong.github.io/tree/main/docs/problems`;
}
