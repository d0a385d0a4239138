import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { RequestTrace, type TraceStart } from '../lib/server/trace';
import { served } from './support/fixed-pool';
import { type ObservedServer, observedServer } from './support/observed-server';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT_ID = '00f067aa0ba902b7';
const START: TraceStart = {
  method: 'POST',
  route: '/v1/rerank',
  path: '/v1/rerank',
  headers: { traceparent: `00-${TRACE_ID}-${PARENT_ID}-01`, 'user-agent': 'test' },
  scheme: 'http',
  httpVersion: '1.1',
};
const END = { served: served(), status: 200, durationMs: 50 };

function milliseconds([seconds, nanoseconds]: ReadableSpan['startTime']): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

test('without an SDK there is nothing to do', () => {
  expect(RequestTrace.start(START, '1.2.3')).toBeUndefined();
});

describe('with an SDK', () => {
  beforeAll(() => provider.register());
  beforeEach(() => exporter.reset());
  afterAll(async () => {
    await provider.shutdown();
    trace.disable();
    context.disable();
    propagation.disable();
  });

  test('a request is a server span below the span of whoever sent it', () => {
    RequestTrace.start(START, '1.2.3')?.end(END);
    const span = exporter.getFinishedSpans().find(({ name }) => name === 'POST /v1/rerank') as ReadableSpan;
    expect(span.kind).toBe(SpanKind.SERVER);
    expect(span.spanContext().traceId).toBe(TRACE_ID);
    expect(span.parentSpanContext?.spanId).toBe(PARENT_ID);
    expect(span.instrumentationScope).toMatchObject({ name: 'crossrank', version: '1.2.3' });
    expect(span.status.code).toBe(SpanStatusCode.UNSET);
    expect(span.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/v1/rerank',
      'http.response.status_code': 200,
      'url.path': '/v1/rerank',
      'url.scheme': 'http',
      'network.protocol.version': '1.1',
      'user_agent.original': 'test',
      'crossrank.request_id': 'request-1',
      'crossrank.api': 'jina',
      'crossrank.model': 'mini',
      'crossrank.operation': 'rank',
      'crossrank.pairs': 3,
      'crossrank.tokens': 40,
      'crossrank.cached': 0,
      'crossrank.degraded': false,
    });
  });

  test('stages are its children, as long as they took and within the call', () => {
    const request = RequestTrace.start(START, '1.2.3');
    request?.answered();
    request?.end(END);
    const spans = exporter.getFinishedSpans();
    const parent = spans.find(({ kind }) => kind === SpanKind.SERVER) as ReadableSpan;
    const stages = spans.filter((span) => span !== parent);
    expect(stages.map(({ name }) => name)).toEqual(['tokenize', 'queue', 'compute']);
    for (const stage of stages) {
      expect(stage.parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
      expect(milliseconds(stage.startTime)).toBeGreaterThanOrEqual(milliseconds(parent.startTime));
      expect(milliseconds(stage.endTime)).toBeLessThanOrEqual(milliseconds(parent.endTime));
    }
  });

  test('what HTTP instrumentation has begun is gone on with, and not done twice', () => {
    const outer = trace.getTracer('http').startSpan('POST', { kind: SpanKind.SERVER });
    context.with(trace.setSpan(context.active(), outer), () => RequestTrace.start(START, '1.2.3')?.end(END));
    const span = exporter.getFinishedSpans().find(({ name }) => name === 'crossrank rank') as ReadableSpan;
    expect(span.kind).toBe(SpanKind.INTERNAL);
    expect(span.parentSpanContext?.spanId).toBe(outer.spanContext().spanId);
    expect(Object.keys(span.attributes).filter((key) => key.startsWith('http.'))).toEqual([]);
  });

  test('an internal error is recorded without what was sent; the error of a client is no error of ours', () => {
    const error = new Error('cannot read "my secret question"');
    RequestTrace.start(START, '1')?.end({
      served: served({ failure: 'internal' }),
      status: 500,
      durationMs: 1,
      error,
    });
    RequestTrace.start(START, '1')?.end({
      served: served({ failure: 'invalid' }),
      status: 422,
      durationMs: 1,
      error,
    });
    const [internal, invalid] = exporter.getFinishedSpans().filter(({ kind }) => kind === SpanKind.SERVER);
    expect(internal?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'internal' });
    expect(internal?.attributes['error.type']).toBe('internal');
    expect(internal?.events).toMatchObject([
      { name: 'exception', attributes: { 'exception.type': 'Error' } },
    ]);
    expect(JSON.stringify(internal?.events)).not.toContain('secret');
    expect(invalid?.status.code).toBe(SpanStatusCode.UNSET);
    expect(invalid?.attributes['error.type']).toBe('invalid');
    expect(invalid?.events).toEqual([]);
  });

  describe('over HTTP', () => {
    let observed: ObservedServer;

    beforeAll(async () => {
      observed = await observedServer({
        plugins: [
          (app) => {
            app.addHook('preHandler', async (request) => {
              trace.getTracer('test').startSpan('within').end();
              if (request.headers['x-boom'] !== undefined)
                throw new TypeError(`no "${JSON.stringify(request.body)}"`);
            });
          },
        ],
      });
    });
    afterAll(() => observed.server.close());

    /** The spans of one call of `/rerank`, by name. */
    async function spansOf(headers: Readonly<Record<string, string>>): Promise<Map<string, ReadableSpan>> {
      const before = (await observed.requests(0)).length;
      await (await observed.post('/rerank', { query: 'my secret', texts: ['one', 'two'] }, headers)).text();
      await observed.requests(before + 1);
      return new Map(exporter.getFinishedSpans().map((span) => [span.name, span]));
    }

    test('a call goes on with the trace of its client, down to whatever is done for it', async () => {
      const spans = await spansOf({ traceparent: `00-${TRACE_ID}-${PARENT_ID}-01` });
      expect([...spans.keys()].sort()).toEqual(
        expect.arrayContaining(['POST /rerank', 'compute', 'tokenize', 'within']),
      );
      const request = spans.get('POST /rerank') as ReadableSpan;
      expect(request.parentSpanContext?.spanId).toBe(PARENT_ID);
      for (const [name, span] of spans) {
        expect(span.spanContext().traceId).toBe(TRACE_ID);
        if (span !== request)
          expect([name, span.parentSpanContext?.spanId]).toEqual([name, request.spanContext().spanId]);
      }
      expect(request.attributes).toMatchObject({
        'http.route': '/rerank',
        'http.response.status_code': 200,
        'crossrank.model': 'mini',
        'crossrank.pairs': 2,
      });
      expect((await observed.requests(1)).at(-1)).toMatchObject({ trace_id: TRACE_ID });
    });

    test('a call without a trace begins one, and one that is not to be recorded is not', async () => {
      const spans = await spansOf({});
      expect(spans.get('POST /rerank')?.parentSpanContext).toBeUndefined();
      exporter.reset();
      expect([...(await spansOf({ traceparent: `00-${TRACE_ID}-${PARENT_ID}-00` })).keys()]).not.toContain(
        'POST /rerank',
      );
    });

    test('an internal error is on its span, without texts', async () => {
      const request = (await spansOf({ 'x-boom': '1' })).get('POST /rerank') as ReadableSpan;
      expect(request.status.code).toBe(SpanStatusCode.ERROR);
      expect(request.events).toMatchObject([
        { name: 'exception', attributes: { 'exception.type': 'TypeError' } },
      ]);
      expect(JSON.stringify([request.events, request.attributes])).not.toContain('secret');
    });
  });
});
