import { join } from 'node:path';
import { Child } from '../child';
import type { PaddedMethods, PaddedModel, PaddedWork } from './padded-process';

/**
 * First come, first served: each lane takes the oldest request and computes it alone, documents in their order, padded.
 * What a server does that gives each request to onnxruntime-node. Tokenizing is not part of it.
 */
export class PaddedServer {
  readonly #lanes: Child<PaddedMethods>[];

  private constructor(lanes: Child<PaddedMethods>[]) {
    this.#lanes = lanes;
  }

  static async start(model: PaddedModel, lanes: number): Promise<PaddedServer> {
    const script = join(__dirname, 'padded-process.js');
    const server = new PaddedServer(Array.from({ length: lanes }, () => new Child<PaddedMethods>(script)));
    try {
      await Promise.all(server.#lanes.map((lane) => lane.call('load', model)));
      return server;
    } catch (error) {
      server.close();
      throw error;
    }
  }

  /** Answers requests that came at once. @param requests - tokens of each one's pairs */
  async serve(requests: readonly (readonly number[])[]): Promise<PaddedWork> {
    const work: PaddedWork = { tokens: 0, computed: 0 };
    let next = 0;
    await Promise.all(
      this.#lanes.map(async (lane) => {
        while (next < requests.length) {
          const { tokens, computed } = await lane.call('score', requests[next++] as readonly number[]);
          work.tokens += tokens;
          work.computed += computed;
        }
      }),
    );
    return work;
  }

  close(): void {
    for (const lane of this.#lanes) lane.close();
  }
}
