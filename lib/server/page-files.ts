import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { packageRoot } from '../native/load';

/** A file of the page, as it is sent. */
export interface PageFile {
  /** Such as `page.css`. */
  name: string;
  type: string;
  etag: string;
  body: Buffer;
}

/** Anything else that lies beside them is not served. */
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The files of the page, some 60 kB: read once, so that no request ever names a path. */
export function readPageFiles(): PageFile[] {
  const folder = join(packageRoot(), 'lib', 'server', 'page');
  return readdirSync(folder).flatMap((name) => {
    const type = TYPES[extname(name)];
    if (type === undefined) return [];
    const body = readFileSync(join(folder, name));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    return [{ name, type, etag, body }];
  });
}
