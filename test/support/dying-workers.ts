import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { MODEL } from './bulk';

/** A worker that dies of a text, as of a fault in native code, under a supervisor that starts another one each time. */
export class DyingWorkers {
  deaths = 0;
  readonly #arguments: string[];
  #child: ChildProcess;
  #isStopped = false;

  constructor(url: string, text: string) {
    this.#arguments = [url, text, MODEL];
    this.#child = this.#start();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #start(): ChildProcess {
    const child = fork(join(__dirname, 'dying-worker.js'), this.#arguments, { execArgv: [] });
    child.once('exit', () => {
      if (this.#isStopped) return;
      this.deaths++;
      this.#child = this.#start();
    });
    return child;
  }
}
