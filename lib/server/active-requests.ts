/** Requests that are not answered yet: waited for, or ended, when the server closes. */
export class ActiveRequests {
  readonly #controllers = new Set<AbortController>();
  #closing = false;
  #onIdle: (() => void) | undefined;

  get count(): number {
    return this.#controllers.size;
  }

  get isClosing(): boolean {
    return this.#closing;
  }

  add(controller: AbortController): void {
    this.#controllers.add(controller);
  }

  remove(controller: AbortController): void {
    this.#controllers.delete(controller);
    if (this.#controllers.size === 0) this.#onIdle?.();
  }

  /** From now on new requests are refused. */
  close(): void {
    this.#closing = true;
  }

  /** Resolves when there are none, or when the time is over. */
  async idle(limitMs: number): Promise<void> {
    if (this.#controllers.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#onIdle = undefined;
  }

  abort(reason: Error): void {
    for (const controller of this.#controllers) controller.abort(reason);
  }
}
