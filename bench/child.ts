import { type ChildProcess, fork } from 'node:child_process';

/** What is sent to a child process, one call after the other. */
interface Call {
  method: string;
  argument: unknown;
}

type Reply = { value: unknown } | { error: string } | { progress: number };

/** What a child process can be asked to do; `show` tells the caller a share between 0 and 1. */
export type ChildMethods<Methods> = {
  [Method in keyof Methods]: (argument: never, show: (share: number) => void) => Promise<unknown>;
};

/** A process that is called by messages, so that memory and processor time are its own. */
export class Child<Methods extends ChildMethods<Methods>> {
  readonly #process: ChildProcess;
  #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined;
  #onProgress: ((share: number) => void) | undefined;

  /**
   * @param script - path of a script that calls {@link serveParent} with the same methods
   * @param execArgv - options of Node; those of this process are not passed on
   */
  constructor(script: string, execArgv: string[] = []) {
    this.#process = fork(script, [], { execArgv });
    this.#process.on('message', (reply: Reply) => this.#receive(reply));
    this.#process.on('exit', (code, signal) => this.#fail(`the measuring process ended (${signal ?? code})`));
    this.#process.on('error', (error) => this.#fail(error.message));
  }

  call<Method extends keyof Methods & string>(
    method: Method,
    argument?: Parameters<Methods[Method]>[0],
    onProgress?: (share: number) => void,
  ): ReturnType<Methods[Method]> {
    this.#onProgress = onProgress;
    const answer = new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#process.send({ method, argument } satisfies Call, (error) => {
        if (error) this.#fail(error.message);
      });
    });
    return answer as ReturnType<Methods[Method]>;
  }

  /** Ends the process; what it was asked is not answered. */
  close(): void {
    this.#waiting = undefined;
    if (this.#process.connected) this.#process.disconnect();
  }

  #receive(reply: Reply): void {
    if ('progress' in reply) {
      this.#onProgress?.(reply.progress);
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if ('error' in reply) waiting?.reject(new Error(reply.error));
    else waiting?.resolve(reply.value);
  }

  #fail(message: string): void {
    this.#waiting?.reject(new Error(message));
    this.#waiting = undefined;
  }
}

/** The other end: answers the calls of a {@link Child}, and ends when the parent does. */
export function serveParent<Methods extends ChildMethods<Methods>>(methods: Methods): void {
  const send = (reply: Reply) => process.send?.(reply);
  const show = (progress: number) => send({ progress });
  process.on('message', async ({ method, argument }: Call) => {
    try {
      const answer = methods[method as keyof Methods];
      send({ value: await answer(argument as never, show) });
    } catch (error) {
      send({ error: error instanceof Error ? error.message : String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
  // The terminal sends it to every process of the group; the parent decides.
  process.on('SIGINT', () => {});
}
