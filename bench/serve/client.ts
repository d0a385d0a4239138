import { Pool } from 'undici';
import type { TextSet } from '../texts';

export interface Reply {
  status: number;
  retryAfterMs: number;
  results: number;
}

/** Connections to a server, each kept alive and with one request at a time. */
export class RerankClient {
  readonly #pool: Pool;

  constructor(address: string, connections: number) {
    this.#pool = new Pool(address, { connections, pipelining: 1, bodyTimeout: 0, headersTimeout: 0 });
  }

  async rerank({ query, documents }: TextSet): Promise<Reply> {
    const { statusCode, headers, body } = await this.#pool.request({
      method: 'POST',
      path: '/rerank',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, texts: documents, truncate: true }),
    });
    const answer: unknown = await body.json();
    const retryAfterMs = Number(headers['retry-after'] ?? 0) * 1000;
    return { status: statusCode, retryAfterMs, results: Array.isArray(answer) ? answer.length : 0 };
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
