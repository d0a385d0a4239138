import { gzipSync } from 'node:zlib';
import type { ListwiseOptions } from '../lib/ranking/listwise-options';
import {
  type Answer,
  BEST_FIRST,
  ChatEndpointServer,
  DOCUMENTS,
  order,
  QUERY,
  reply,
  say,
} from './support/chat-endpoint';

let endpoint: ChatEndpointServer;
beforeEach(async () => {
  endpoint = await ChatEndpointServer.start();
});
afterEach(() => endpoint.stop());
const listwise = (options: Partial<ListwiseOptions> = {}) => endpoint.listwise(options);

const completion = (fields: Record<string, unknown>) => JSON.stringify(fields);

describe('an answer that is not exactly a permutation changes nothing', () => {
  test.each<[string, Answer, string]>([
    ['prose before it', say('Sure: [3] > [1] > [4] > [2]'), 'more or less than identifiers'],
    ['prose after it', say('[3] > [1] > [4] > [2] as asked'), 'more or less than identifiers'],
    ['a final full stop', say('[3] > [1] > [4] > [2].'), 'more or less than identifiers'],
    ['a Markdown fence', say('```\n[3] > [1] > [4] > [2]\n```'), 'more or less than identifiers'],
    ['reasoning before it', say('<think>[1]</think>[3] > [1] > [4] > [2]'), 'more or less than identifiers'],
    ['commas', say('[3], [1], [4], [2]'), 'more or less than identifiers'],
    ['bare numbers', say('3 > 1 > 4 > 2'), 'more or less than identifiers'],
    ['a trailing >', say('[3] > [1] > [4] > [2] >'), 'more or less than identifiers'],
    ['a leading zero', say('[03] > [1] > [4] > [2]'), 'more or less than identifiers'],
    ['a negative number', say('[-3] > [1] > [4] > [2]'), 'more or less than identifiers'],
    ['a full-width number', say('[３] > [1] > [4] > [2]'), 'more or less than identifiers'],
    ['a name of a prototype', say('[__proto__] > [1] > [4] > [2]'), 'more or less than identifiers'],
    ['a number of no passage', say('[3] > [1] > [5] > [2]'), 'names [5] of 4 passages'],
    ['zero', say('[0] > [1] > [2] > [3]'), 'more or less than identifiers'],
    ['a huge number', say('[999999] > [1] > [4] > [2]'), 'names [999999] of 4 passages'],
    ['a number twice', say('[3] > [1] > [3] > [2]'), 'names [3] twice'],
    ['more than there are', say('[3] > [1] > [4] > [2] > [3]'), 'names [3] twice'],
    ['a missing number', say('[3] > [1] > [4]'), 'names 3 of 4 passages'],
    ['one number', say('[3]'), 'names 1 of 4 passages'],
    ['nothing', say(''), 'is empty'],
    ['white space', say(' \n '), 'is empty'],
    ['an endless permutation', say('[1] > '.repeat(100_000)), 'names [1] twice'],
    ['a refusal', say(null, { message: { role: 'assistant', content: null, refusal: 'No.' } }), 'refused'],
    ['a cut answer', say('[3] > [1] > [4] > [2]', { finish_reason: 'length' }), 'raise max_tokens'],
    ['a filtered answer', say('[3] > [1]', { finish_reason: 'content_filter' }), 'content filter'],
    ['a tool call', say(null, { message: { tool_calls: [] } }), 'no choices[0].message.content'],
    ['content that is a list', say([{ type: 'text', text: '[1]' }]), 'no choices[0].message.content'],
    [
      'content that is an object',
      say({ toString: '[3] > [1] > [4] > [2]' }),
      'no choices[0].message.content',
    ],
    ['HTML', reply(200, '<!doctype html><title>[3] > [1] > [4] > [2]</title>'), 'is no JSON'],
    ['truncated JSON', reply(200, '{"choices":[{"message":{"content":"[3] > [1] > [4'), 'is no JSON'],
    ['an empty body', reply(200, ''), 'is no JSON'],
    ['no content (204)', reply(204, ''), 'is no JSON'],
    ['bytes that are no text', reply(200, Buffer.from([0xff, 0xfe, 0, 0x80])), 'is no JSON'],
    ['null', reply(200, 'null'), 'no choices[0].message.content'],
    ['a string', reply(200, '"[3] > [1] > [4] > [2]"'), 'no choices[0].message.content'],
    ['another schema', reply(200, completion({ response: '[3] > [1] > [4] > [2]' })), 'no choices[0]'],
    ['no choices', reply(200, completion({ choices: [] })), 'no choices[0]'],
    ['choices that are an object', reply(200, completion({ choices: { 0: {} } })), 'no choices[0]'],
    [
      'choices in the prototype',
      reply(200, '{"__proto__":{"choices":[{"message":{"content":"[3] > [1] > [4] > [2]"}}]}}'),
      'no choices[0]',
    ],
    [
      'content in the prototype',
      reply(200, '{"choices":[{"message":{"__proto__":{"content":"[3] > [1] > [4] > [2]"}}}]}'),
      'no choices[0]',
    ],
    ['an error with status 200', reply(200, '{"error":{"message":"overloaded"}}'), 'no choices[0]'],
    ['a large body', reply(200, `{"x":"${'x'.repeat(2_000_000)}"}`), 'larger than 1048576 bytes'],
    [
      'a body that is small until it is unpacked',
      reply(200, gzipSync(Buffer.alloc(20_000_000, ' ')), { 'content-encoding': 'gzip' }),
      'larger than 1048576 bytes',
    ],
  ])('%s', async (_, answer, reason) => {
    endpoint.next.push(answer);
    const { results, windows, ...response } = await listwise().rerank(QUERY, DOCUMENTS);
    expect(order({ results })).toEqual([0, 1, 2, 3]);
    expect(results.every(({ score }) => Number.isNaN(score))).toBe(true);
    expect(windows).toEqual([
      { start: 0, end: 4, outcome: 'malformed', reason: expect.stringContaining(reason) },
    ]);
    expect(response).toMatchObject({ degraded: true, scored: 0 });
    expect(endpoint.requests).toHaveLength(1);
    expect(order(await listwise().rerank(QUERY, DOCUMENTS))).toEqual(BEST_FIRST);
  });

  test('white space around identifiers is none of that', async () => {
    endpoint.next.push(say('\n [3]>[1] >\n[4]  > [2] \n'));
    expect(order(await listwise().rerank(QUERY, DOCUMENTS))).toEqual(BEST_FIRST);
  });

  test('a malformed answer is no error with onError either, and its tokens are counted', async () => {
    endpoint.next.push(say('no idea'));
    const { degraded, usage } = await listwise({ onError: 'error' }).rerank(QUERY, DOCUMENTS);
    expect(degraded).toBe(true);
    expect(usage.completionTokens).toBe(2);
  });

  test.each([
    ['missing', undefined],
    ['a string', '12'],
    ['negative', -5],
    ['too large', Number.MAX_VALUE],
    ['a fraction', 1.5],
    ['an object', {}],
  ])('a token count that is %s counts as none', async (_, count) => {
    const choices = [{ message: { content: '[3] > [1] > [4] > [2]' } }];
    endpoint.next.push(
      reply(200, completion({ choices, usage: { prompt_tokens: count, completion_tokens: count } })),
    );
    const { usage, degraded } = await listwise().rerank(QUERY, DOCUMENTS);
    expect({ degraded, ...usage }).toMatchObject({
      degraded: false,
      promptTokens: 0,
      completionTokens: 0,
      tokens: 0,
    });
  });

  test('a body without end is not read on', async () => {
    let gone: Promise<void> | undefined;
    endpoint.next.push((request, response) => {
      gone = request.gone;
      const pour = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', pour);
      pour();
    });
    const { windows } = await listwise().rerank(QUERY, DOCUMENTS);
    expect(windows[0]?.reason).toContain('larger than');
    await gone;
  });
});
