import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './native/load';

/** Of this package, as its package.json says. */
export function packageVersion(): string {
  const manifest = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
