const WIDTH = 30;
const FRAME_MS = 100;

/** A bar on standard error while it is a terminal; otherwise silent, so that logs stay clean. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #started = performance.now();
  #drawn = 0;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** `done` is a share between 0 and 1. */
  show(label: string, done: number): void {
    const now = performance.now();
    if (!this.#stream.isTTY || now - this.#drawn < FRAME_MS) return;
    this.#drawn = now;
    const share = Math.min(1, Math.max(0, done));
    const filled = Math.round(share * WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
    const seconds = ((now - this.#started) / 1000).toFixed(0);
    const line = `${bar} ${(share * 100).toFixed(0).padStart(3)} %  ${seconds} s  ${label}`;
    this.#stream.write(`\r${line.slice(0, (this.#stream.columns || 80) - 1)}\x1b[K`);
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }
}
