import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../native/load';

/** What servers see of us: this package's version and Node's, and nothing of the machine or its user. */
export function userAgent(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  return `crossrank/${manifest.version}; node/${process.versions.node}`;
}
