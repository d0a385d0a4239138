import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Whether a request brings one of the keys. Time tells nothing of them: digests of one length are compared, all of them. */
export class AccessKeys {
  readonly #digests: readonly Buffer[];

  constructor(keys: readonly string[]) {
    this.#digests = keys.map(digest);
  }

  allow(headers: IncomingHttpHeaders): boolean {
    if (this.#digests.length === 0) return true;
    const given = keyOf(headers);
    if (given === undefined) return false;
    const candidate = digest(given);
    let found = false;
    for (const known of this.#digests) found = timingSafeEqual(candidate, known) || found;
    return found;
  }
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function keyOf({ authorization, 'x-api-key': own }: IncomingHttpHeaders): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  return typeof own === 'string' ? own : undefined;
}
