import { getEventListeners } from 'node:events';
import { inspect } from 'node:util';
import type { ListwiseOptions } from '../lib/ranking/listwise-options';
import {
  type Answer,
  BEST_FIRST,
  ChatEndpointServer,
  DOCUMENTS,
  errorOf,
  hangUp,
  KEY,
  order,
  QUERY,
  readPrompt,
  reply,
  rising,
  say,
  silence,
} from './support/chat-endpoint';

let endpoint: ChatEndpointServer;
beforeEach(async () => {
  endpoint = await ChatEndpointServer.start();
});
afterEach(() => endpoint.stop());
const listwise = (options: Partial<ListwiseOptions> = {}) => endpoint.listwise(options);

describe('retries', () => {
  test.each([
    ['500', reply(500, 'oops')],
    ['502', reply(502, '<html>bad gateway</html>')],
    ['503', reply(503, '{"error":{"message":"overloaded"}}')],
    ['408', reply(408, '')],
    ['429 without Retry-After', reply(429, '{}')],
    ['429 with a Retry-After that is no time', reply(429, '{}', { 'retry-after': 'soon' })],
    [
      '429 with a Retry-After in the past',
      reply(429, '{}', { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }),
    ],
    ['a connection that breaks', hangUp],
    [
      'a body that breaks off',
      ((_, response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{"choices"');
        setImmediate(() => response.destroy());
      }) as Answer,
    ],
  ])('after %s the next try counts', async (_, answer) => {
    endpoint.next.push(answer, answer);
    const response = await listwise().rerank(QUERY, DOCUMENTS);
    expect(order(response)).toEqual(BEST_FIRST);
    expect(response.degraded).toBe(false);
    expect(response.usage.requests).toBe(3);
    expect(endpoint.requests).toHaveLength(3);
    expect(response.timings.queueMs).toBeGreaterThanOrEqual(0);
    const { queueMs, computeMs, totalMs } = response.timings;
    expect(queueMs + computeMs).toBeCloseTo(totalMs);
  });

  test.each([
    ['in seconds', () => '1', 990],
    ['as a date', () => new Date(Date.now() + 2000).toUTCString(), 900], // dates have whole seconds
  ])('Retry-After %s is waited for', async (_, value, leastMs) => {
    endpoint.next.push((request, response) =>
      reply(429, '{}', { 'retry-after': value() })(request, response),
    );
    expect(order(await listwise().rerank(QUERY, DOCUMENTS))).toEqual(BEST_FIRST);
    const [first, second] = endpoint.requests.map(({ at }) => at) as [number, number];
    expect(second - first).toBeGreaterThanOrEqual(leastMs);
  });

  test.each([
    ['beyond the deadline', '30', { timeoutMs: 20_000 }],
    ['beyond a minute', '61', {}],
    ['beyond all numbers', '9'.repeat(400), {}],
  ])('Retry-After %s is not waited for', async (_, seconds, options) => {
    endpoint.next.push(reply(429, '{}', { 'retry-after': seconds }));
    const error = await errorOf(listwise({ onError: 'error' }).rerank(QUERY, DOCUMENTS, options));
    expect(error.code).toBe('ERR_ENDPOINT');
    expect(error.message).toContain('asks to come back after');
    expect(endpoint.requests).toHaveLength(1);
  });

  test('maxRetries bounds them', async () => {
    endpoint.next.push(...Array.from({ length: 9 }, () => reply(500, '')));
    const error = await errorOf(listwise({ onError: 'error', maxRetries: 4 }).rerank(QUERY, DOCUMENTS));
    expect(error).toMatchObject({
      code: 'ERR_ENDPOINT',
      message: expect.stringMatching(/answered 500 \(5 tries\)$/),
    });
    expect(endpoint.requests).toHaveLength(5);
    await errorOf(listwise({ onError: 'error', maxRetries: 0 }).rerank(QUERY, DOCUMENTS));
    expect(endpoint.requests).toHaveLength(6);
  });

  test('a request that takes longer than requestTimeoutMs is tried again', async () => {
    endpoint.next.push(silence);
    const response = await listwise({ requestTimeoutMs: 100 }).rerank(QUERY, DOCUMENTS);
    expect(order(response)).toEqual(BEST_FIRST);
    await endpoint.request(0).gone;
  });
});

describe('an endpoint that refuses or is not there', () => {
  test.each([
    [400, 'answered 400'],
    [401, 'answered 401: Incorrect API key; check apiKey'],
    [403, 'check apiKey'],
    [404, 'check url and model'],
    [413, 'answered 413'],
    [422, 'answered 422'],
  ])('%i is not tried again', async (status, message) => {
    endpoint.next.push(reply(status, '{"error":{"message":"Incorrect API key"}}'));
    const error = await errorOf(listwise({ onError: 'error' }).rerank(QUERY, DOCUMENTS));
    expect(error.code).toBe('ERR_ENDPOINT');
    expect(error.message).toContain(`POST ${endpoint.url}/chat/completions answered`);
    expect(error.message).toContain(message);
    expect(endpoint.requests).toHaveLength(1);
  });

  test("by default the call gets the input's order, and no further window is asked", async () => {
    const { query, documents } = rising(45);
    endpoint.next.push((request, response) => {
      endpoint.next.push(reply(401, '{}')); // the second window's
      const { passages } = readPrompt(request);
      say(passages.map((_, i) => `[${passages.length - i}]`).join(' > '))(request, response);
    });
    const response = await listwise().rerank(query, documents);
    expect(order(response)).toEqual(documents.map((_, i) => i));
    expect(response).toMatchObject({ degraded: true, scored: 0 });
    expect(response.windows.map(({ outcome }) => outcome)).toEqual([
      'ranked',
      'failed',
      'notAsked',
      'notAsked',
    ]);
    expect(response.windows[1]?.reason).toContain('answered 401; check apiKey');
    expect(endpoint.requests).toHaveLength(2);
  });

  test("with 'partial' it gets what the windows before have ranked", async () => {
    const { query, documents } = rising(30);
    endpoint.next.push((request, response) => {
      endpoint.next.push(reply(401, '{}'));
      const { passages } = readPrompt(request);
      say(passages.map((_, i) => `[${passages.length - i}]`).join(' > '))(request, response);
    });
    const response = await listwise({ onError: 'partial' }).rerank(query, documents);
    const tail = documents.map((_, i) => i).slice(10);
    expect(order(response)).toEqual([...documents.keys()].slice(0, 10).concat(tail.reverse()));
    expect(response).toMatchObject({ degraded: true, scored: 20 });
    expect(response.results[9]?.score).toBeNaN();
    expect(response.results[10]?.score).toBe(1 / 11);
  });

  test('nobody listens', async () => {
    await endpoint.stop();
    const error = await errorOf(listwise({ onError: 'error' }).rerank(QUERY, DOCUMENTS));
    expect(error.code).toBe('ERR_ENDPOINT');
    expect(error.message).toContain('cannot be reached or broke off (ECONNREFUSED) (3 tries)');
    expect((await listwise().rerank(QUERY, DOCUMENTS)).degraded).toBe(true);
  });

  test.each([301, 302, 307, 308])('a redirect (%i) is not followed', async (status) => {
    const other = await ChatEndpointServer.start();
    try {
      endpoint.next.push(reply(status, '', { location: `${other.url}/chat/completions` }));
      const error = await errorOf(listwise({ onError: 'error' }).rerank(QUERY, DOCUMENTS));
      expect(error).toMatchObject({
        code: 'ERR_ENDPOINT',
        message: expect.stringContaining('redirects are not followed'),
      });
      expect(other.requests).toHaveLength(0);
    } finally {
      await other.stop();
    }
  });

  test('the key is in no error, though the endpoint repeats it, and in no inspection', async () => {
    const secret = 'gateway-secret';
    const model = listwise({ onError: 'error', headers: { 'x-gateway': secret } });
    const told = `Incorrect API key ${KEY} (Bearer ${KEY}), gateway\n${secret}`;
    for (const body of [{ error: { message: told } }, { error: told }, { message: told }, { detail: told }]) {
      endpoint.next.push(reply(401, JSON.stringify(body)));
      const error = await errorOf(model.rerank(QUERY, DOCUMENTS));
      expect(error.message).toContain('Incorrect API key [secret]');
      const shown =
        inspect(error, { depth: 9, showHidden: true }) + inspect(model, { depth: 9, showHidden: true });
      expect(shown).not.toContain(KEY);
      expect(shown).not.toContain(secret);
    }
  });

  test('an error of the endpoint is cut and holds one line', async () => {
    endpoint.next.push(
      reply(400, JSON.stringify({ error: { message: `a\n\u001b[31mb ${'c'.repeat(10_000)}` } })),
    );
    const { message } = await errorOf(listwise({ onError: 'error' }).rerank(QUERY, DOCUMENTS));
    expect(message).toContain('answered 400: a [31mb ccc');
    expect(message.length).toBeLessThan(300);
  });
});

describe('timeoutMs', () => {
  const { query, documents } = rising(30);
  /** The first window is ranked, the second gets no answer. */
  const stall = () =>
    endpoint.next.push((request, response) => {
      endpoint.next.push(silence);
      const { passages } = readPrompt(request);
      say(passages.map((_, i) => `[${passages.length - i}]`).join(' > '))(request, response);
    });

  test('rejects with ERR_TIMEOUT by default, and ends the request', async () => {
    endpoint.next.push(silence);
    const error = await errorOf(listwise().rerank(query, documents, { timeoutMs: 100 }));
    expect(error).toMatchObject({
      code: 'ERR_TIMEOUT',
      message: 'timeoutMs passed with 0 of 2 windows ranked',
    });
    await endpoint.request(0).gone;
  });

  test("'inputOrder' gives the order of the input, 'partial' what was ranked so far", async () => {
    for (const onTimeout of ['inputOrder', 'partial'] as const) {
      // Repeated with more time until the first window was ranked in it.
      for (let timeoutMs = 100; ; timeoutMs *= 2) {
        endpoint.requests.length = 0;
        stall();
        const response = await listwise().rerank(query, documents, { timeoutMs, onTimeout });
        expect(response.degraded).toBe(true);
        if (response.windows[0]?.outcome !== 'ranked') continue;
        expect(response.windows[1]).toMatchObject({
          outcome: 'failed',
          reason: expect.stringContaining('1 of 2'),
        });
        const tail = [...documents.keys()].slice(10);
        expect(order(response)).toEqual(
          onTimeout === 'inputOrder'
            ? [...documents.keys()]
            : [...documents.keys()].slice(0, 10).concat(tail.reverse()),
        );
        expect(response.scored).toBe(onTimeout === 'inputOrder' ? 0 : 20);
        await endpoint.request(1).gone;
        break;
      }
    }
  });

  test('an answer that drips in does not hold it up', async () => {
    let timer: NodeJS.Timeout | undefined;
    endpoint.next.push((_, response) => {
      response.writeHead(200);
      timer = setInterval(() => response.write(' '), 5);
    });
    const error = await errorOf(listwise().rerank(QUERY, DOCUMENTS, { timeoutMs: 100 }));
    clearInterval(timer);
    expect(error.code).toBe('ERR_TIMEOUT');
    await endpoint.request(0).gone;
  });
});

describe('signal', () => {
  test('an abort in flight rejects with its reason, and the endpoint sees the client go', async () => {
    const controller = new AbortController();
    const reason = new Error('not wanted');
    const arrived = new Promise<void>((resolve) => endpoint.next.push(() => resolve()));
    const call = listwise().rerank(QUERY, DOCUMENTS, { signal: controller.signal });
    const rejected = expect(call).rejects.toBe(reason);
    await arrived;
    controller.abort(reason);
    await rejected;
    await endpoint.request(0).gone;
    expect(endpoint.requests).toHaveLength(1);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(order(await listwise().rerank(QUERY, DOCUMENTS))).toEqual(BEST_FIRST);
  });

  test('an abort ends the wait for a retry', async () => {
    const controller = new AbortController();
    endpoint.next.push((request, response) => {
      reply(429, '{}', { 'retry-after': '30' })(request, response);
      response.on('finish', () => setTimeout(() => controller.abort('enough'), 50));
    });
    await expect(listwise().rerank(QUERY, DOCUMENTS, { signal: controller.signal })).rejects.toBe('enough');
    expect(endpoint.requests).toHaveLength(1);
  });

  test('one that is aborted already sends nothing, and one after the answer has no effect', async () => {
    const signal = AbortSignal.abort('before');
    await expect(listwise().rerank(QUERY, DOCUMENTS, { signal })).rejects.toBe('before');
    expect(endpoint.requests).toHaveLength(0);
    const controller = new AbortController();
    const response = await listwise().rerank(QUERY, DOCUMENTS, { signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    expect(order(response)).toEqual(BEST_FIRST);
  });
});
