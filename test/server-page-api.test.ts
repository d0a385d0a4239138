import { CrossrankError, Embedder, KeywordIndex, Reranker } from '../lib';
import { page } from '../lib/server/page';
import type { PageAnswer } from '../lib/server/page-rank';
import type { PageServed } from '../lib/server/page-served';
import type { ServerPlugin } from '../lib/server/plugin';
import type { Served } from '../lib/server/served';
import { fixture } from './support/models';
import { ServedChild, startServer, type TestServer, until } from './support/server';

const QUERY = 'which planet is red';
const DOCUMENTS = [
  'Bread is made of flour.',
  'Mars is the red planet.',
  'Mars is red.',
  '',
  `${'The moon is far away. '.repeat(60)}The red planet is Mars.`,
];
const ASKED = { query: QUERY, documents: DOCUMENTS, firstStage: 'keywords', longDocuments: 'chunk' };

const ended: Served[] = [];
const remember: ServerPlugin = (app) => {
  app.addHook('onRequest', (request, reply, done) => {
    reply.raw.once('close', () => ended.push(request.served));
    done();
  });
};

let served: TestServer;
let reranker: Reranker;
let embedder: Embedder;

beforeAll(async () => {
  served = await startServer({ plugins: [remember, page], maxDocuments: 2000 });
  reranker = await Reranker.load(fixture('bert'));
  embedder = await Embedder.load(fixture('bert-embedder'));
});

afterAll(async () => {
  await served?.server.close();
  await reranker?.dispose();
  await embedder?.dispose();
});

async function ask(body: unknown, headers?: Record<string, string>): Promise<PageAnswer> {
  const response = await served.post('/page/rank', body, headers);
  expect(response.status).toBe(200);
  return (await response.json()) as PageAnswer;
}

describe('what the page consists of', () => {
  test('each file comes with its type, a strict policy and a tag that saves the next answer', async () => {
    const html = await (await fetch(`${served.url}/`)).text();
    const files = [
      '/',
      ...Array.from(html.matchAll(/(?:src|href)="(page\/[^"]+)"/g), ([, path]) => `/${path}`),
    ];
    expect(files).toEqual(
      expect.arrayContaining(['/page/page.css', '/page/main.mjs', '/page/theme.js', '/page/icon.svg']),
    );
    for (const path of files) {
      const response = await fetch(served.url + path);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toMatch(
        /^(text\/(html|css|javascript); charset=utf-8|image\/svg\+xml)$/,
      );
      const policy = response.headers.get('content-security-policy');
      expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
      expect(policy).not.toMatch(/unsafe|\*|data:|http/);
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      expect(response.headers.get('cross-origin-opener-policy')).toBe('same-origin');
      const again = await fetch(served.url + path, {
        headers: { 'if-none-match': response.headers.get('etag') as string },
      });
      expect([again.status, await again.text()]).toEqual([304, '']);
    }
  });

  test('nothing else of the folder, or outside of it, is served', async () => {
    for (const path of [
      '/page/tsconfig.json',
      '/page/',
      '/page/..%2fpage.ts',
      '/page/%2e%2e/page.ts',
      '/index.html',
    ]) {
      expect((await fetch(served.url + path)).status).toBe(404);
    }
  });

  test('no file has script or style within markup, or a way to turn text into markup', async () => {
    const html = await (await fetch(`${served.url}/`)).text();
    expect(html).not.toMatch(/<style|style="|<script(?![^>]*\bsrc=)|\son\w+=|javascript:|https?:/);
    for (const name of ['main', 'items', 'lists', 'highlight', 'dom', 'curl-view']) {
      const script = await (await fetch(`${served.url}/page/${name}.mjs`)).text();
      expect(script).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/);
    }
  });
});

test('crossrank serve has the page', async () => {
  const child = new ServedChild(['--model', `${fixture('bert')}=mini`]);
  try {
    const url = await child.listening();
    expect(await (await fetch(`${url}/`)).text()).toContain('<title>crossrank</title>');
    const { models } = (await (await fetch(`${url}/page/models`)).json()) as PageServed;
    expect(models.map(({ name }) => name)).toEqual(['mini']);
  } finally {
    await child.stop();
  }
});

describe('what the page asks', () => {
  test('models, APIs with an example each, and limits are told, and no path', async () => {
    const text = await (await fetch(`${served.url}/page/models`)).text();
    const { models, apis, limits, namesMatter } = JSON.parse(text) as PageServed;
    expect(models.map(({ name, task }) => [name, task])).toEqual([
      ['mini', 'rerank'],
      ['embedder', 'embed'],
    ]);
    expect(namesMatter).toEqual({ rerank: false, embed: false });
    expect(apis.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['tei', 'jina', 'cohere-v2', 'openai']),
    );
    for (const { endpoints } of apis) expect(endpoints.length).toBeGreaterThan(0);
    expect(limits).toMatchObject({ maxDocuments: 2000 });
    expect(text).not.toContain(fixture('bert'));
  });

  test.each(['truncate', 'window', 'chunk'] as const)(
    'results with %s are those of the library',
    async (longDocuments) => {
      const answer = await ask({ ...ASKED, longDocuments });
      const expected = await reranker.rerank(QUERY, DOCUMENTS, { longDocuments, returnDocuments: false });
      expect(answer.results).toEqual(JSON.parse(JSON.stringify(expected.results)));
      expect(answer.usage.pairs).toBe(DOCUMENTS.length);
      expect(answer.model).toMatchObject({ name: 'mini', activation: reranker.info().activation });
      expect(answer.timings.totalMs).toBeGreaterThanOrEqual(answer.timings.firstStageMs);
    },
  );

  test('the keyword order is that of a KeywordIndex; what has none of the words comes last, as it came', async () => {
    const index = new KeywordIndex();
    await index.add(DOCUMENTS.map((text, i) => ({ id: String(i), text })));
    const hits = (await index.query(QUERY, { topK: 10 })).map(({ document }) => Number(document.id));
    const { firstStage } = await ask(ASKED);
    expect(hits.length).toBeLessThan(DOCUMENTS.length);
    expect(firstStage.order.slice(0, hits.length)).toEqual(hits);
    expect(firstStage.order.slice(hits.length)).toEqual([0, 1, 2, 3, 4].filter((i) => !hits.includes(i)));
    expect(firstStage.scores?.slice(hits.length)).toEqual(new Array(DOCUMENTS.length - hits.length).fill(0));
  });

  test('the order of the embedder is that of cosines', async () => {
    const [query] = await embedder.embed([QUERY], { kind: 'query' });
    const vectors = await embedder.embed(DOCUMENTS, { kind: 'document' });
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
    const cosine = (a: Float32Array, b: Float32Array) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    const cosines = vectors.map((vector) => cosine(query as Float32Array, vector));
    const { firstStage } = await ask({ ...ASKED, firstStage: 'embedder' });
    expect(firstStage.model).toBe('embedder');
    expect(firstStage.order).toEqual(
      [0, 1, 2, 3, 4].sort((a, b) => (cosines[b] as number) - (cosines[a] as number)),
    );
    firstStage.order.forEach((index, i) =>
      expect(firstStage.scores?.[i]).toBeCloseTo(cosines[index] as number, 4),
    );
  });

  test('as given is as given, with topK of the results, and no documents give none', async () => {
    const answer = await ask({ ...ASKED, firstStage: 'given', topK: 2 });
    expect(answer.firstStage).toEqual({ kind: 'given', order: [0, 1, 2, 3, 4], scores: null });
    expect(answer.results).toHaveLength(2);
    expect(await ask({ ...ASKED, documents: [] })).toMatchObject({ results: [], firstStage: { order: [] } });
  });

  test('logs and metrics hear of it as of any request', async () => {
    const { id } = await ask(ASKED, { 'x-request-id': 'page-7' });
    expect(id).toBe('page-7');
    await until(() => ended.some((each) => each.id === 'page-7'));
    const told = ended.find((each) => each.id === 'page-7');
    expect(told).toMatchObject({
      api: 'page',
      path: '/page/rank',
      operation: 'rank',
      model: 'mini',
      items: 5,
    });
    expect(told?.scores?.count).toBe(5);
  });
});

describe('what goes wrong', () => {
  test.each<[string, unknown, number, string, string | undefined]>([
    ['broken JSON', '{"query": ', 400, 'malformed', undefined],
    ['no object', [], 400, 'malformed', undefined],
    ['a prototype key', `{"__proto__": {}, "query": ""}`, 400, 'malformed', undefined],
    ['no query', { ...ASKED, query: undefined }, 400, 'invalid', 'query'],
    ['a number for a document', { ...ASKED, documents: ['a', 7] }, 400, 'invalid', 'documents[1]'],
    ['an unknown first stage', { ...ASKED, firstStage: 'magic' }, 400, 'invalid', 'firstStage'],
    ['topK 0', { ...ASKED, topK: 0 }, 400, 'invalid', 'topK'],
    ['an unknown field', { ...ASKED, top_n: 3 }, 400, 'invalid', undefined],
    ['too many documents', { ...ASKED, documents: new Array(2001).fill('x') }, 400, 'too-many', 'documents'],
    ['an embedder as the reranker', { ...ASKED, model: 'embedder' }, 404, 'unknown-model', 'model'],
  ])('%s is refused in words', async (_, body, status, kind, field) => {
    const response = await served.post('/page/rank', body);
    expect(response.status).toBe(status);
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    expect(error).toMatchObject({ kind, message: expect.any(String), requestId: expect.any(String) });
    expect(error.field).toBe(field);
  });

  test('a deadline that passes is a timeout', async () => {
    const response = await served.post(
      '/page/rank',
      { ...ASKED, documents: new Array(2000).fill('x '.repeat(50)) },
      { 'x-timeout-ms': '1' },
    );
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ error: { kind: 'timeout' } });
  });

  test('a client that goes away ends its work', async () => {
    const documents = Array.from({ length: 2000 }, (_, i) => `document ${i} ${'word '.repeat(300)}`);
    const controller = new AbortController();
    const call = fetch(`${served.url}/page/rank`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'gone' },
      body: JSON.stringify({ ...ASKED, documents, firstStage: 'given' }),
      signal: controller.signal,
    });
    const busy = () => served.pool.list()[0]?.stats()?.queue.requests ?? 0;
    await until(() => busy() > 0);
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    await until(() => ended.some(({ id }) => id === 'gone') && busy() === 0);
    expect(ended.find(({ id }) => id === 'gone')).toMatchObject({ disconnected: true, tokens: 0 });
  });

  test('what fails inside is told to the log alone', async () => {
    const error = new CrossrankError('ERR_RUNTIME', 'in /secret/folder');
    const failing: ServerPlugin = (_, { pool }) => {
      pool.reranker = () => Promise.reject(error);
    };
    const { server, post } = await startServer({ plugins: [failing, page] });
    try {
      const response = await post('/page/rank', ASKED);
      expect(response.status).toBe(500);
      expect(await response.text()).not.toContain('secret');
    } finally {
      await server.close();
    }
  });

  test('with keys, the page is open and what it asks is not', async () => {
    const { server, url, post } = await startServer({ plugins: [page], apiKeys: ['right'] });
    try {
      expect((await fetch(`${url}/`)).status).toBe(200);
      expect((await fetch(`${url}/page/main.mjs`)).status).toBe(200);
      expect((await fetch(`${url}/page/models`)).status).toBe(401);
      const refused = await post('/page/rank', ASKED);
      expect(refused.status).toBe(401);
      expect(await refused.json()).toMatchObject({ error: { kind: 'unauthorized' } });
      expect((await post('/page/rank', ASKED, { authorization: 'Bearer right' })).status).toBe(200);
    } finally {
      await server.close();
    }
  });
});
