import { ListwiseReranker } from '../lib/ranking/listwise';
import { ChatEndpointServer, errorOf, KEY } from './support/chat-endpoint';

let endpoint: ChatEndpointServer;
beforeEach(async () => {
  endpoint = await ChatEndpointServer.start();
});
afterEach(() => endpoint.stop());

describe('wrong arguments are refused by name', () => {
  // biome-ignore lint/suspicious/noExplicitAny: these calls are wrong on purpose
  type Wrong = any;
  const cyclic: Wrong = {};
  cyclic.self = cyclic;

  test.each<[string, Wrong]>([
    ['Unknown option "key"; known are url, model, apiKey', { key: KEY }],
    ['the base address of an API', { url: undefined }],
    ["Expected an address such as 'https://api.openai.com/v1' for url", { url: 'api.openai.com' }],
    ['for url', { url: 'file:///etc/passwd' }],
    ['without user and password (use apiKey or headers) for url', { url: `http://me:${KEY}@localhost/v1` }],
    ['the name of a model for model', { model: '' }],
    ['model but received 7', { model: 7 }],
    ['a string of visible ASCII characters for apiKey', { apiKey: `${KEY}\n` }],
    ['apiKey', { apiKey: `${KEY}ü` }],
    ['apiKey', { apiKey: '' }],
    ['apiKey', { apiKey: 5 }],
    ['an object of strings for headers', { headers: [KEY] }],
    ['names of headers for headers', { headers: { 'a b': 'c' } }],
    ['headers["x-key"]', { headers: { 'x-key': `${KEY}\r\nhost: elsewhere` } }],
    ['headers["x-key"]', { headers: { 'x-key': 5 } }],
    ['an object for parameters', { parameters: 'fast' }],
    ['other fields than model, messages, stream, n for parameters', { parameters: { stream: true } }],
    ['that JSON can hold for parameters', { parameters: cyclic }],
    ['that JSON can hold for parameters', { parameters: { seed: 1n } }],
    ['from 2 to 200 for windowSize', { windowSize: 1 }],
    ['windowSize', { windowSize: '20' }],
    ['from 1 to 19 for step', { step: 20 }],
    ['from 1 to 4 for step', { windowSize: 5, step: 5 }],
    ['step', { step: 0 }],
    ['maxDocuments', { maxDocuments: 0 }],
    ['maxPassageCharacters', { maxPassageCharacters: 0.5 }],
    ["one of 'error', 'partial', 'inputOrder' for onError", { onError: 'ignore' }],
    ['requestTimeoutMs', { requestTimeoutMs: 300_001 }],
    ['maxRetries', { maxRetries: -1 }],
    ['retryDelayMs', { retryDelayMs: Number.NaN }],
  ])('%s (%#)', (message, options) => {
    let error: unknown;
    try {
      new ListwiseReranker({ url: 'http://localhost/v1', model: 'rule', ...options });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(message) });
    expect((error as Error).message).not.toContain(KEY);
  });

  test.each<[string, Wrong[]]>([
    ['a string for query', [42, ['d']]],
    ['an array for documents', ['q', 'd']],
    ['documents[1]', ['q', ['d', 7]]],
    ['documents[0].__proto__', ['q', [{ a: 'd' }], { text: '__proto__' }]],
    ['documents[0].constructor', ['q', [{ a: 'd' }], { text: 'constructor' }]],
    ['Unknown option "onError"', ['q', ['d'], { onError: 'error' }]],
    ['topK', ['q', ['d'], { topK: 1.5 }]],
    ['minScore', ['q', ['d'], { minScore: '1' }]],
    ['timeoutMs', ['q', ['d'], { timeoutMs: 0 }]],
    ['onTimeout', ['q', ['d'], { onTimeout: 'ignore' }]],
    ['signal', ['q', ['d'], { signal: {} }]],
    ['priority', ['q', ['d'], { priority: 'high' }]],
    ['text', ['q', ['d'], { text: 5 }]],
  ])('%s', async (message, args) => {
    const model: Wrong = endpoint.listwise();
    const error = await errorOf(model.rerank(...args));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(message) });
    expect(endpoint.requests).toHaveLength(0);
  });
});
