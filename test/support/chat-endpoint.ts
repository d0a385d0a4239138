import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CrossrankError } from '../../lib';
import { ListwiseReranker } from '../../lib/ranking/listwise';
import type { ListwiseOptions } from '../../lib/ranking/listwise-options';

export const KEY = 'sk-very-secret-0123456789';
export const QUERY = 'alpha beta gamma delta';
/** The rule of the endpoint orders them 2, 0, 3, 1. */
export const DOCUMENTS = ['alpha beta', 'nothing of it', 'alpha beta gamma delta', 'alpha'];
export const BEST_FIRST = [2, 0, 3, 1];

/** A request to `/chat/completions` as it came. */
export interface ChatRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: { messages: { role: string; content: string }[] } & Record<string, unknown>;
  /** `performance.now()` of its arrival. */
  at: number;
  /** Resolves when the client has gone before the answer was complete. */
  gone: Promise<void>;
}

/** Answers a request in a way of its own. */
export type Answer = (request: ChatRequest, response: ServerResponse) => void;

/**
 * A chat endpoint on this machine whose model is a rule: it reads the prompt it is sent, as a model would, and orders the
 * passages by how many different words they share with the query; equal ones keep their order. Answers in `next` go
 * first, one a request.
 */
export class ChatEndpointServer {
  readonly requests: ChatRequest[] = [];
  readonly next: Answer[] = [];
  /** Base address. */
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    server.on('request', (request, response) => void this.#receive(request, response));
  }

  static async start(): Promise<ChatEndpointServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ChatEndpointServer(server);
  }

  request(number: number): ChatRequest {
    const request = this.requests[number];
    if (request === undefined) throw new Error(`there were ${this.requests.length} requests`);
    return request;
  }

  /** The query and the passages of a request. */
  prompt(number: number): { query: string; passages: string[] } {
    return readPrompt(this.request(number));
  }

  /** A reranker that asks this endpoint. */
  listwise(options: Partial<ListwiseOptions> = {}): ListwiseReranker {
    return new ListwiseReranker({ url: this.url, model: 'rule', apiKey: KEY, retryDelayMs: 1, ...options });
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #receive(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new Promise<void>((resolve) =>
      response.on('close', () => {
        if (!response.writableFinished) resolve();
      }),
    );
    let text = '';
    incoming.setEncoding('utf8');
    for await (const part of incoming) text += part;
    const { method = '', url: path = '', headers } = incoming;
    const request = { method, path, headers, body: JSON.parse(text), at: performance.now(), gone };
    this.requests.push(request);
    (this.next.shift() ?? answerByOverlap)(request, response);
  }
}

/** The query and the passages of a prompt. Throws where it is not the conversation that it should be. */
export function readPrompt({ body }: ChatRequest): { query: string; passages: string[] } {
  const turns = body.messages.map(({ role, content }) => ({ role, content }));
  const [system, opening, ready, ...rest] = turns;
  const task = rest.pop();
  if (system?.role !== 'system' || opening?.role !== 'user' || ready?.role !== 'assistant') {
    throw new Error('the prompt does not begin as RankGPT does');
  }
  const query = /^Search Query: (.*)\. \nRank the (\d+) passages/.exec(task?.content ?? '');
  if (task?.role !== 'user' || query === null || Number(query[2]) * 2 !== rest.length) {
    throw new Error('the prompt does not end with the task');
  }
  const passages: string[] = [];
  for (let i = 0; i < rest.length; i += 2) {
    const [passage, receipt] = rest.slice(i, i + 2);
    const identifier = `[${passages.length + 1}]`;
    if (passage?.role !== 'user' || !passage.content.startsWith(`${identifier} `)) {
      throw new Error(`no turn for passage ${identifier}`);
    }
    if (receipt?.role !== 'assistant' || receipt.content !== `Received passage ${identifier}.`) {
      throw new Error(`no receipt for passage ${identifier}`);
    }
    passages.push(passage.content.slice(identifier.length + 1));
  }
  return { query: query[1] as string, passages };
}

/** Positions of the passages, best first: by the number of different words that they share with the query. */
export function orderByOverlap(query: string, passages: readonly string[]): number[] {
  const words = (text: string) => new Set(text.toLowerCase().match(/\p{L}+/gu) ?? []);
  const wanted = words(query);
  const shared = passages.map((passage) => [...words(passage)].filter((word) => wanted.has(word)).length);
  return passages.map((_, i) => i).sort((a, b) => (shared[b] as number) - (shared[a] as number) || a - b);
}

const answerByOverlap: Answer = (request, response) => {
  const { query, passages } = readPrompt(request);
  const permutation = orderByOverlap(query, passages).map((position) => `[${position + 1}]`);
  say(permutation.join(' > '))(request, response);
};

/** An answer of the right shape whose model said this; a word is a token. */
export function say(content: unknown, choice: Record<string, unknown> = {}): Answer {
  return ({ body }, response) => {
    const count = (text: string) => text.split(/\s+/).length;
    const answer = {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: body.model,
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop', ...choice }],
      usage: {
        prompt_tokens: count(body.messages.map((message) => message.content).join(' ')),
        completion_tokens: count(JSON.stringify(content)),
      },
    };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  };
}

/** An answer with this status, body and headers. */
export function reply(status: number, body: string | Buffer, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(status, headers).end(body);
  };
}

/** The connection breaks. */
export const hangUp: Answer = (_, response) => {
  response.destroy();
};

/** No answer ever comes. */
export const silence: Answer = () => {};

/** Indexes of the results. */
export const order = ({ results }: { results: readonly { index: number }[] }) =>
  results.map(({ index }) => index);

/** What a call rejects with. */
export async function errorOf(call: Promise<unknown>): Promise<CrossrankError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(CrossrankError);
  return error as CrossrankError;
}

/** Document i shares more words with the query than any before it. */
export function rising(count: number): { query: string; documents: string[] } {
  const words = Array.from(
    { length: count },
    (_, i) => `w${'abcdefghij'[Math.floor(i / 10)]}${'abcdefghij'[i % 10]}`,
  );
  return {
    query: words.join(' '),
    documents: words.map((_, i) => `text ${words.slice(0, i + 1).join(' ')}`),
  };
}
