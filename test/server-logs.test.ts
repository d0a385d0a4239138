import { createLog, LOG_LEVELS, type LogLevel, logRequest } from '../lib/server/log';
import { errorRecord } from '../lib/server/log-error';
import { cutBody } from '../lib/server/log-texts';
import { served } from './support/fixed-pool';

/** A log whose lines are kept. */
function keptLog(level?: LogLevel) {
  const lines: string[] = [];
  const log = createLog({
    ...(level !== undefined && { level }),
    stream: { write: (line) => void lines.push(line) },
  });
  return { log, lines, records: () => lines.map((line) => JSON.parse(line)) };
}

const END = { served: served(), status: 200, durationMs: 41.23456 };

describe('the line of a request', () => {
  test('has what is known of it, on one line, and nothing that is not', () => {
    const { log, lines, records } = keptLog();
    logRequest(log, END, { method: 'POST', traceId: 'a1', spanId: 'b2' });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd()).not.toContain('\n');
    const [{ time, pid, ...record }] = records();
    expect(new Date(time).toISOString()).toBe(time);
    expect(pid).toBe(process.pid);
    expect(record).toEqual({
      level: 'info',
      msg: 'request',
      requestId: 'request-1',
      method: 'POST',
      route: '/v1/rerank',
      api: 'jina',
      operation: 'rank',
      model: 'mini',
      status: 200,
      durationMs: 41.235,
      items: 3,
      tokens: 40,
      cached: 0,
      degraded: false,
      tokenizeMs: 1,
      queueMs: 2,
      computeMs: 30,
      scores: { count: 3, min: 0.1, max: 0.9, mean: 0.4 },
      trace_id: 'a1',
      span_id: 'b2',
    });
  });

  test.each([
    ['info', { failure: 'invalid' as const }],
    ['warn', { failure: 'queue-full' as const }],
    ['warn', { failure: 'timeout' as const }],
    ['error', { failure: 'internal' as const }],
    ['info', { disconnected: true }],
    ['debug', { api: undefined, operation: undefined, path: '/health' }],
  ])('is of level %s for %j', (level, of) => {
    const { log, records } = keptLog('trace');
    logRequest(log, { ...END, served: served(of) }, { method: 'POST' });
    expect(records()).toMatchObject([{ level }]);
  });

  test.each(LOG_LEVELS)('is written at %s or above only', (level) => {
    const { log, records } = keptLog(level);
    for (const failure of ['internal', 'queue-full', 'invalid'] as const)
      logRequest(log, { ...END, served: served({ failure }) }, { method: 'POST' });
    const written = { silent: 0, fatal: 0, error: 1, warn: 2, info: 3, debug: 3, trace: 3 };
    expect(records()).toHaveLength(written[level]);
  });
});

describe('an error in the log', () => {
  test('has its code, its stack and its causes', () => {
    const cause = Object.assign(new TypeError('no room'), { code: 'ENOSPC' });
    const record = errorRecord(new Error('cannot write', { cause }));
    expect(record).toMatchObject({
      type: 'Error',
      message: 'cannot write',
      cause: { type: 'TypeError', code: 'ENOSPC', message: 'no room' },
    });
    expect(record.stack).toContain('server-logs.test.js');
    expect(record.stack).not.toContain('cannot write');
  });

  test('does not show what was sent: JSON that is none, values of the wrong type', () => {
    const parse = () => JSON.parse('{"query": "my "secret" question"}');
    const errors = [
      caught(parse),
      caught(() => JSON.parse('my secret question')),
      new Error('Expected an array for documents but received "my secret question" of type string'),
      new Error('outer', { cause: caught(parse) }),
    ];
    for (const error of errors) {
      const { log, lines } = keptLog();
      log.error({ err: error }, 'a request failed');
      expect(lines.join('')).not.toContain('secret');
      expect(lines.join('')).toContain('"err"');
    }
  });

  test('is one even where something else was thrown, or a cause is its own cause', () => {
    const loop = new Error('loop');
    loop.cause = loop;
    expect(errorRecord(loop).cause?.cause?.message).toBe('loop');
    expect(errorRecord('my secret')).toEqual({ type: 'string', message: 'not an error' });
    expect(errorRecord(undefined)).toEqual({ type: 'undefined', message: 'not an error' });
  });

  function caught(run: () => unknown): unknown {
    try {
      run();
    } catch (error) {
      return error;
    }
    throw new Error('nothing was thrown');
  }
});

test('headers and keys that something logs by mistake are not shown', () => {
  const { log, lines } = keptLog();
  const headers = { authorization: 'Bearer hunter2', 'x-api-key': 'hunter2' };
  log.info({ headers, authorization: 'hunter2', options: { apiKey: 'hunter2', token: 'hunter2', headers } });
  log.info({
    req: { method: 'POST', url: '/rerank?key=hunter2', headers },
    res: { statusCode: 200, headers },
  });
  expect(lines.join('')).not.toContain('hunter2');
  expect(lines.join('')).toContain('"req":{"method":"POST"}');
});

describe('a body that was asked for', () => {
  test('has texts cut and marked, and ten of a list', () => {
    const documents = Array.from({ length: 25 }, (_, i) => `${i} ${'x'.repeat(1000)}`);
    const cut = cutBody({ query: 'short', documents, top_n: 3 }) as { documents: string[] };
    expect(cut).toMatchObject({ query: 'short', top_n: 3 });
    expect(cut.documents).toHaveLength(11);
    expect(cut.documents[3]).toBe(`3 ${'x'.repeat(198)}…[+802]`);
    expect(cut.documents[10]).toBe('…[+15]');
  });

  test('is not cut within a character', () => {
    expect(cutBody(`${'x'.repeat(199)}😀 and more`)).toBe(`${'x'.repeat(199)}…[+11]`);
  });

  test('is small whatever was sent: many fields, long names, deep nesting', () => {
    let deep: unknown = 'end';
    for (let i = 0; i < 10_000; i++) deep = [deep];
    const fields = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`${i}${'y'.repeat(500)}`, deep]),
    );
    const cut = JSON.stringify(cutBody(fields));
    expect(cut.length).toBeLessThan(5000);
    expect(cut).toContain('…[+990]');
  });

  test('shows a field that is called __proto__ as one', () => {
    expect(JSON.stringify(cutBody(JSON.parse('{"__proto__": {"a": 1}}')))).toBe('{"__proto__":{"a":1}}');
  });
});
