import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CrossrankError } from '../errors';

/** A framework that users install beside this package. */
export interface Peer {
  /** Such as `ai`. */
  name: string;
  /** Versions that an integration is made for, in words, and one that npm can install. */
  versions: string;
  install: string;
  /** Both numbers, as 0.x changes what it promises with the second one. */
  accepts(major: number, minor: number): boolean;
}

const found = new Set<string>();

/**
 * Integrations are objects made for certain versions of a framework, mostly without loading it; a wrong one would show as
 * an odd error inside the framework, or as none. What was found is not looked for again.
 *
 * The environment variable `CROSSRANK_PEER_CHECK=off` leaves the check out: a program that a bundler has put the framework
 * into does not have it as a package.
 * @param integration - Whose peer it is, such as `crossrank/ai-sdk`
 * @throws {@link CrossrankError} with `ERR_MISSING_PACKAGE` or `ERR_PACKAGE_VERSION`
 */
export function requirePeer(integration: string, { name, versions, install, accepts }: Peer): void {
  if (found.has(name) || process.env.CROSSRANK_PEER_CHECK === 'off') return;
  const version = installedVersion(name);
  if (version === undefined) {
    throw new CrossrankError(
      'ERR_MISSING_PACKAGE',
      `${integration} needs the package ${name}, which is not installed; run: npm install ${name}@${install} ` +
        '(where a bundler has it inside, set CROSSRANK_PEER_CHECK=off)',
    );
  }
  const [major = Number.NaN, minor = Number.NaN] = version.split('.', 2).map(Number);
  if (!accepts(major, minor)) {
    throw new CrossrankError(
      'ERR_PACKAGE_VERSION',
      `${integration} works with ${name} ${versions}, and ${version} is installed; run: npm install ${name}@${install}`,
    );
  }
  found.add(name);
}

/**
 * As its package.json says, which is read from the folders, because not every package exports it. Looked for from this
 * package, and from the working directory, in case that this one is linked into the program.
 */
function installedVersion(name: string): string | undefined {
  const fromHere = createRequire(__filename).resolve.paths(name) ?? [];
  const fromProgram = createRequire(join(process.cwd(), 'package.json')).resolve.paths(name) ?? [];
  for (const folder of [...fromHere, ...fromProgram]) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8'));
      const { version } = manifest as { version?: unknown };
      if (typeof version === 'string') return version;
    } catch {
      // Not in this folder; perhaps in the next.
    }
  }
  return undefined;
}
