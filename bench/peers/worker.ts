import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * - `PEER_DIED`: the process ended, or never started.
 * - `PEER_GARBLED`: it answered what is no answer.
 * - `PEER_SILENT`: it did not answer in time; it has been ended.
 * - `PEER_FAILED`: the library in it refused or threw; the process lives.
 */
export type PeerErrorCode = 'PEER_DIED' | 'PEER_GARBLED' | 'PEER_SILENT' | 'PEER_FAILED';

export class PeerError extends Error {
  readonly code: PeerErrorCode;

  constructor(code: PeerErrorCode, message: string) {
    super(message);
    this.name = 'PeerError';
    this.code = code;
  }
}

export interface LoadRequest {
  api: string;
  model: string;
  settings: object;
}

export interface LoadedPeer {
  loadMs: number;
  versions: Record<string, string>;
  /** Threads and arithmetic as the library tells them. */
  execution: string;
}

export interface ScoreRequest {
  query: string;
  documents: readonly string[];
}

export interface Scored {
  /** From texts to scores, measured by the worker itself: the pipe does not count. */
  elapsedMs: number;
  /** Logits, in the order of the documents. */
  scores: number[];
}

/** What a worker answers, whatever language it is written in. */
export interface PeerMethods {
  load(argument: LoadRequest): LoadedPeer;
  score(argument: ScoreRequest): Scored;
  memory(argument: object): { peakBytes: number };
}

export interface Call {
  id: number;
  method: keyof PeerMethods;
  argument: unknown;
}

export type Answer = { id: number; value: unknown } | { id: number; error: string };

export interface Command {
  command: string;
  args: readonly string[];
}

interface Waiting {
  id: number;
  resolve(value: unknown): void;
  reject(error: PeerError): void;
  timer: NodeJS.Timeout;
}

const KEPT_LINES = 20;
const QUOTED = 120;
/** The largest shape scores a hundred pairs in half a minute where the machine is shared. */
const ANSWER_MS = 15 * 60_000;

/**
 * A contender's process, called by one JSON line a time on its standard input; it answers each by one line on its standard
 * output. Once it has died, answered garbage or kept silent, every call is refused with the same error.
 */
export class PeerWorker {
  readonly #process: ChildProcess;
  readonly #answerMs: number;
  readonly #lastWords: string[] = [];
  #waiting: Waiting | undefined;
  #broken: PeerError | undefined;
  #calls = 0;

  constructor({ command, args }: Command, answerMs = ANSWER_MS) {
    this.#answerMs = answerMs;
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.#receive(line));
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#lastWords.push(line);
      if (this.#lastWords.length > KEPT_LINES) this.#lastWords.shift();
    });
    child.on('error', (error) => this.#break('PEER_DIED', `${command} could not start: ${error.message}`));
    child.on('close', (code, signal) => {
      const words = this.#lastWords.filter((line) => line.trim() !== '').at(-1);
      const tail = words === undefined ? '' : `: ${words.trim().slice(0, QUOTED)}`;
      this.#break('PEER_DIED', `its process ended (${signal ?? `exit code ${code}`})${tail}`);
    });
    child.stdin.on('error', () => {}); // a process that has ended is told by 'close'
  }

  /** One call at a time. @throws PeerError */
  call<Method extends keyof PeerMethods>(
    method: Method,
    argument: Parameters<PeerMethods[Method]>[0],
  ): Promise<ReturnType<PeerMethods[Method]>> {
    if (this.#waiting !== undefined) throw new Error('a call is under way');
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#break('PEER_SILENT', `no answer to ${method} in ${this.#answerMs / 1000} s`);
      }, this.#answerMs);
      this.#waiting = { id, resolve: resolve as Waiting['resolve'], reject, timer };
      this.#process.stdin?.write(`${JSON.stringify({ id, method, argument } satisfies Call)}\n`);
    });
  }

  /** Ends the process; what it was asked is not answered. */
  close(): void {
    this.#break('PEER_DIED', 'its process was ended');
  }

  #receive(line: string): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.#broken !== undefined) return;
    const answer = readAnswer(line);
    if (answer === undefined || answer.id !== waiting.id) {
      this.#break('PEER_GARBLED', `it answered ${JSON.stringify(line.slice(0, QUOTED))}`);
      return;
    }
    this.#waiting = undefined;
    clearTimeout(waiting.timer);
    if ('error' in answer) waiting.reject(new PeerError('PEER_FAILED', answer.error));
    else waiting.resolve(answer.value);
  }

  #break(code: PeerErrorCode, message: string): void {
    this.#broken ??= new PeerError(code, message);
    this.#process.kill('SIGKILL');
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    waiting.reject(this.#broken);
  }
}

function readAnswer(line: string): Answer | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof answer !== 'object' || answer === null || !('id' in answer)) return undefined;
  if ('error' in answer ? typeof answer.error === 'string' : 'value' in answer) return answer as Answer;
  return undefined;
}
