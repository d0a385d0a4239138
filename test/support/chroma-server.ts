import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PYTHON, pythonPackage } from './python-package';

/** The Python package has the same server as the npm package, built for older C libraries. */
const PYTHON_VERSION = '1.5.9';
const PYTHON_RUN =
  'import sys; sys.path.insert(0, sys.argv[1]); import chromadb_rust_bindings; ' +
  'chromadb_rust_bindings.cli(["chroma", *sys.argv[2:]])';

/**
 * What `chroma` is started with: that of the npm package `chromadb` where it loads, else that of the Python package.
 * @returns why not, where neither can be had
 */
export function chromaCommand(): { command: string[] } | { reason: string } {
  const cli = join(dirname(createRequire(__filename).resolve('chromadb')), '..', 'cli.mjs');
  const { status, stderr } = spawnSync(process.execPath, [cli, '--version'], { encoding: 'utf8' });
  if (status === 0) return { command: [process.execPath, cli] };
  const found = pythonPackage('chromadb', PYTHON_VERSION);
  if ('folder' in found) return { command: [PYTHON, '-c', PYTHON_RUN, found.folder] };
  return { reason: `the server of npm's chromadb does not run (${stderr.trim()}), and ${found.reason}` };
}
