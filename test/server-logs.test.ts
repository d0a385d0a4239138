import { createLog, LOG_LEVELS, type LogLevel, logRequest } from '../lib/server/log';
import { errorRecord } from '../lib/server/log-error';
import { textsOf } from '../lib/server/log-texts';
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
      logRequest(log, { ...END, served: served({ failure: 'internal' }), error }, { method: 'POST' });
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

describe('texts that were asked for', () => {
  const AnyCall = { model: undefined, tooLong: 'truncate', scores: 'model', topK: undefined } as const;

  test('are cut and marked, and there are no more than ten', () => {
    const long = 'x'.repeat(1000);
    const documents = Array.from({ length: 25 }, (_, i) => `${i} ${long}`);
    const texts = textsOf({ ...AnyCall, kind: 'rank', query: long, documents });
    expect(texts.query).toBe(`${'x'.repeat(200)}…[+800]`);
    expect(texts.documents).toHaveLength(10);
    expect(texts.documents?.[3]).toBe(`3 ${'x'.repeat(198)}…[+802]`);
    expect(texts.omitted).toBe(15);
  });

  test('are not cut within a character', () => {
    const texts = textsOf({
      ...AnyCall,
      kind: 'embed',
      role: undefined,
      normalize: true,
      texts: [`${'x'.repeat(199)}😀 and more`],
    });
    expect(texts.texts).toEqual([`${'x'.repeat(199)}…[+11]`]);
  });

  test('are those of pairs, too, and short ones are whole', () => {
    expect(textsOf({ ...AnyCall, kind: 'score', pairs: [['a', 'b']] })).toEqual({ pairs: [['a', 'b']] });
  });
});
