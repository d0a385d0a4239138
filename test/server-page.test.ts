import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { type Browser, chromium as launcher, type Page } from 'playwright-core';
import { Reranker } from '../lib';
import { page as pagePlugin } from '../lib/server/page';
import type { ServerPlugin } from '../lib/server/plugin';
import type { Served } from '../lib/server/served';
import { chromium } from './support/chromium';
import { fixture } from './support/models';
import { answered, fill, holds, type OpenPage, openPage, orderOf, rank, ready } from './support/page';
import { MODELS, startServer, type TestServer, until } from './support/server';

const found = chromium();
if ('reason' in found) console.warn(`The page is not tested in a browser: ${found.reason}`);
const describeInBrowser = 'reason' in found ? describe.skip : describe;

const QUERY = 'How long does cooked rice keep?';
const LONG = `${'Knives are kept sharp and boards are kept clean. '.repeat(60)}Cooked rice keeps for three days in the cold. ${'Stock is cooked from roasted bones for hours. '.repeat(60)}`;
const DOCUMENTS = [
  'A fridge magnet shows a bowl of rice.',
  LONG,
  'Raw rice keeps for years.',
  'Cooked rice keeps in the refrigerator for up to four days.',
  'The train leaves at nine.',
];

interface Heard {
  served: Served;
  body: unknown;
}

describeInBrowser('the page', () => {
  const heard: Heard[] = [];
  const remember: ServerPlugin = (app) => {
    app.addHook('onRequest', (request, reply, done) => {
      reply.raw.once('close', () => heard.push({ served: request.served, body: request.body }));
      done();
    });
  };
  let browser: Browser;
  let served: TestServer;
  let reranker: Reranker;
  const open: OpenPage[] = [];

  beforeAll(async () => {
    const executablePath = (found as { path: string }).path;
    browser = await launcher.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
    served = await startServer({ models: [], embedders: [], plugins: [remember, pagePlugin] });
    reranker = await Reranker.load();
  }, 120_000);

  afterEach(async () => {
    for (const { page } of open.splice(0)) await page.context().close();
  });

  afterAll(async () => {
    await browser?.close();
    await served?.server.close();
    await reranker?.dispose();
  });

  async function visit(options: Parameters<typeof openPage>[2] = {}, url = served.url): Promise<OpenPage> {
    const opened = await openPage(browser, url, options);
    open.push(opened);
    return opened;
  }

  /** The page with both orders of the documents on it. */
  async function ranked(options: Parameters<typeof openPage>[2] = {}): Promise<OpenPage> {
    const opened = await visit(options);
    await ready(opened.page);
    await fill(opened.page, QUERY, DOCUMENTS);
    await rank(opened.page);
    return opened;
  }

  describe('both orders', () => {
    test('are those of the library, with arrows between them, and nothing is asked of anyone else', async () => {
      const { page, troubles } = await ranked();
      const expected = await reranker.rerank(QUERY, DOCUMENTS, { longDocuments: 'chunk' });
      const first = await orderOf(page, 'first');
      expect(await orderOf(page, 'reranked')).toEqual(expected.results.map(({ index }) => index));
      expect([...first].sort()).toEqual([0, 1, 2, 3, 4]);
      const moves = await page.locator('#reranked .move [aria-hidden]').allTextContents();
      const moved = expected.results.map(({ index }, i) => first.indexOf(index) - i);
      expect(moves).toEqual(moved.map((by) => (by === 0 ? '=' : by > 0 ? `▲${by}` : `▼${-by}`)));
      expect(new Set(moved).size).toBeGreaterThan(1);
      const scores = await page.locator('#reranked .score').allTextContents();
      scores.forEach((score, i) =>
        expect(Number(score.replace(', score ', ''))).toBeCloseTo(
          expected.results[i]?.score ?? Number.NaN,
          2,
        ),
      );
      expect(troubles).toEqual([]);
    });

    test('the best span of a long document is marked, shown while it is collapsed, and whole when opened', async () => {
      const { page } = await ranked();
      const { results } = await reranker.rerank(QUERY, DOCUMENTS, { longDocuments: 'chunk' });
      const best = results.find(({ index }) => index === 1);
      const marked = LONG.trim().slice(best?.span?.start, best?.span?.end);
      expect(best?.windows).toBeGreaterThan(1);
      const item = page.locator('#reranked .item[data-index="1"]');
      const collapsed = (await item.locator('mark').textContent()) as string;
      expect(marked).toContain(collapsed);
      expect(collapsed).toContain('Cooked rice keeps for three days');
      await item.locator('.head').click();
      expect(await item.locator('.head').getAttribute('aria-expanded')).toBe('true');
      expect(await item.locator('mark').textContent()).toBe(marked);
      expect(await item.locator('.text').textContent()).toBe(LONG.trim());
      expect(await page.locator('#reranked mark').count()).toBe(1);
    });

    test('hovering a document shows it in both lists, with a line between', async () => {
      const { page } = await ranked();
      await page.hover('#first .item[data-index="3"]');
      expect(await page.locator('.item.active').count()).toBe(2);
      expect(await page.locator('#reranked .item[data-index="3"].active').count()).toBe(1);
      await page.locator('#links path.active').waitFor({ state: 'attached' });
      expect(await page.locator('#links path').count()).toBe(DOCUMENTS.length);
    });

    test('of the embedder and as given are there to choose, and the number of results', async () => {
      const { page } = await visit();
      await ready(page);
      await fill(page, QUERY, DOCUMENTS);
      await page.check('input[value="embedder"]');
      await page.fill('#top', '2');
      await rank(page);
      expect(await page.textContent('#first-title')).toBe(
        'First stage: Embedder multilingual-e5-small-zh-en',
      );
      expect(await page.locator('#reranked .item').count()).toBe(2);
      expect(await page.locator('#first .item.left-out').count()).toBe(3);
      await page.check('input[value="given"]');
      await page.click('#run');
      await holds(page, "document.getElementById('first-title').textContent.endsWith('As given')");
      await answered(page);
      expect(await orderOf(page, 'first')).toEqual([0, 1, 2, 3, 4]);
      expect(await page.locator('#first .score').allTextContents()).toEqual(['', '', '', '', '']);
    });

    test('each stage of the time is told, and they add up', async () => {
      const { page } = await ranked();
      const names = await page.locator('#timings dt').allTextContents();
      expect(names).toEqual([
        'total',
        'first stage',
        'tokenize',
        'queue',
        'compute',
        'rest of the server',
        'network and browser',
      ]);
      const times = (await page.locator('#timings dd').allTextContents()).map((time) =>
        time.endsWith(' ms') ? Number.parseFloat(time) : Number.parseFloat(time) * 1000,
      );
      const [total = 0, ...stages] = times;
      const sum = stages.reduce((a, b) => a + b, 0);
      expect(Math.abs(total - sum)).toBeLessThan(total * 0.02 + 1); // they are rounded
      expect(await page.textContent('#timings .usage')).toMatch(
        /^5 pairs · \d+ windows · [\d,]+ tokens computed/,
      );
    });

    test.each(['english', 'chinese'])('the %s example moves the answer to the top', async (name) => {
      const { page, troubles } = await visit();
      await ready(page);
      await page.click(`#empty [data-example="${name}"]`);
      await page.keyboard.press('Control+Enter');
      await answered(page);
      expect(await page.locator('#reranked .item').count()).toBe(8);
      expect(await page.locator('#reranked .item:first-child .move.up').count()).toBe(1);
      expect(await page.locator('#reranked mark').count()).toBe(1);
      expect(troubles).toEqual([]);
    });

    test('a thousand documents are all there', async () => {
      const { page, troubles } = await visit();
      await ready(page);
      await fill(
        page,
        'number 7',
        Array.from({ length: 1000 }, (_, i) => `number ${i}`),
      );
      await rank(page);
      expect(await page.locator('#first .item').count()).toBe(1000);
      expect(await page.locator('#reranked .item').count()).toBe(1000);
      expect(troubles).toEqual([]);
    });
  });

  describe('documents', () => {
    test.each([
      ['lines', 'one\n\n two \nthree', 3],
      ['blocks', 'one\nstill one\n\n \ntwo', 2],
      ['jsonl', '{"text": "one"}\n"two"\n{"title": "T", "contents": "three"}\n', 3],
      ['tsv', 'id\ttext\tyear\n1\tone\t2020\n2\ttwo\t2021', 2],
      ['tsv', '1\tone\n2\ttwo\n3\tthree', 3],
    ])('separated by %s are counted as %j', async (format, content, count) => {
      const { page } = await visit();
      await page.selectOption('#format', format);
      await page.fill('#documents', content);
      await holds(page, `document.getElementById('count').textContent === '${count} documents'`);
    });

    test.each([
      ['a.jsonl', '{"text": "one"}\n{"text": "two"}', 'jsonl'],
      ['a.tsv', '1\tone\n2\ttwo', 'tsv'],
      ['a.md', '# One\ntext\n\n# Two', 'blocks'],
      ['a.txt', 'one\ntwo', 'lines'],
    ])('come from the file %s, chosen or dropped', async (name, content, format) => {
      const { page } = await visit();
      await page.setInputFiles('#file', { name, mimeType: 'text/plain', buffer: Buffer.from(content) });
      await holds(page, "document.getElementById('count').textContent === '2 documents'");
      expect(await page.inputValue('#format')).toBe(format);
      await page.reload();
      await page.evaluate(
        `(() => { const data = new DataTransfer(); data.items.add(new File([${JSON.stringify(content)}], '${name}'));
          document.getElementById('documents').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })); })()`,
      );
      await holds(page, "document.getElementById('count').textContent === '2 documents'");
      expect(await page.inputValue('#documents')).toBe(content);
    });

    test('what is no text, or not in the format, is told with what to do', async () => {
      const { page } = await visit();
      await page.setInputFiles('#file', {
        name: 'a.txt',
        mimeType: 'text/plain',
        buffer: Buffer.from([80, 75, 0, 1]),
      });
      await page.getByText('a.txt is no text file.').waitFor();
      await page.selectOption('#format', 'jsonl');
      await page.fill('#documents', '{"text": "one"}\nnot json');
      await page.getByText('Line 2 is not JSON. Choose how the documents are separated.').waitFor();
      await page.fill('#query', 'x');
      await page.click('#run');
      expect(await page.evaluate('document.activeElement.id')).toBe('documents');
    });

    test('are shown as they are: markup stays text, and Arabic runs from the right', async () => {
      const { page, troubles } = await visit();
      await ready(page);
      const attacks = [
        '<img src=x onerror="window.owned=1">',
        '</p><script>window.owned=1</script>',
        '<svg onload=window.owned=1>',
        'javascript:window.owned=1',
        'الأرز المطبوخ يبقى ثلاثة أيام',
      ];
      await fill(page, '"><script>window.owned=1</script>', attacks);
      await rank(page);
      const texts = await page.locator('#reranked .text').allTextContents();
      expect([...texts].sort()).toEqual([...attacks].sort());
      expect(await page.evaluate('window.owned')).toBeUndefined();
      expect(await page.locator('#results img, #results script, #lists svg svg').count()).toBe(0);
      const arabic = '#reranked .item[data-index="4"] .text';
      expect(await page.evaluate(`getComputedStyle(document.querySelector('${arabic}')).direction`)).toBe(
        'rtl',
      );
      expect(troubles).toEqual([]);
    });
  });

  describe('by keyboard alone', () => {
    const focused = (page: Page) =>
      page.evaluate<string>(
        '(() => { const e = document.activeElement; return e.id || e.dataset.example || e.name || e.className; })()',
      );

    test('Tab goes through the page in the order in which it is read', async () => {
      const { page } = await visit();
      await ready(page);
      const order: string[] = [];
      for (let i = 0; i < 13; i++) {
        await page.keyboard.press('Tab');
        order.push(await focused(page));
      }
      expect(order).toEqual([
        'skip',
        'theme',
        'query',
        'documents',
        'format',
        'open',
        'english',
        'chinese',
        'model',
        'top',
        'first-stage',
        'long',
        'run',
      ]);
      const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
      expect(outline).toBe('solid');
    });

    test('a query is typed, run and looked through', async () => {
      const { page } = await visit();
      await ready(page);
      for (let i = 0; i < 3; i++) await page.keyboard.press('Tab');
      await page.keyboard.type(QUERY);
      await page.keyboard.press('Tab');
      await page.keyboard.insertText(DOCUMENTS.join('\n'));
      await page.keyboard.press('Control+Enter');
      await answered(page);
      while (!(await focused(page)).includes('head')) await page.keyboard.press('Tab');
      const first = await orderOf(page, 'first');
      const reranked = await orderOf(page, 'reranked');
      const place = () =>
        page.evaluate<[string, number]>(
          "(() => { const i = document.activeElement.closest('.item'); return [i.parentElement.id, Number(i.dataset.index)]; })()",
        );
      expect(await place()).toEqual(['first', first[0]]);
      await page.keyboard.press('ArrowDown');
      expect(await place()).toEqual(['first', first[1]]);
      await page.keyboard.press('ArrowRight');
      expect(await place()).toEqual(['reranked', first[1]]);
      await page.keyboard.press('End');
      expect(await place()).toEqual(['reranked', reranked.at(-1)]);
      await page.keyboard.press('Home');
      await page.keyboard.press('ArrowLeft');
      expect(await place()).toEqual(['first', reranked[0]]);
      await page.focus('#reranked .item[data-index="1"] .head');
      await page.keyboard.press('Enter');
      expect(await page.locator('#reranked .item[data-index="1"] .text').textContent()).toBe(LONG.trim());
      await page.focus('[role="tab"][aria-selected="true"]');
      await page.keyboard.press('ArrowRight');
      expect(await page.evaluate('document.activeElement.getAttribute("aria-selected")')).toBe('true');
      expect(await page.locator('[role="tab"]').nth(1).getAttribute('tabindex')).toBe('0');
    });

    test('Escape cancels, and the server stops', async () => {
      const { page } = await visit();
      await ready(page);
      await fill(
        page,
        QUERY,
        Array.from({ length: 600 }, (_, i) => `document ${i} ${'of many words '.repeat(60)}`),
      );
      await page.check('input[value="given"]');
      heard.length = 0;
      await page.focus('#query');
      await page.keyboard.press('Control+Enter');
      await page.locator('#cancel').waitFor();
      const queued = () => served.pool.list()[0]?.stats()?.queue.requests ?? 0;
      await until(() => queued() > 0);
      await page.keyboard.press('Escape');
      await holds(page, "document.getElementById('status').textContent === 'Cancelled.'");
      expect(await page.locator('#cancel').isVisible()).toBe(false);
      await until(() => heard.some(({ served: { path } }) => path === '/page/rank') && queued() === 0);
      expect(heard.find(({ served: { path } }) => path === '/page/rank')?.served.disconnected).toBe(true);
    });
  });

  describe('curl', () => {
    const NASTY = [
      `it's "quoted" \\ and \\' and \`id\` and $HOME and $(id) and !!`,
      'two\nlines\twith a tab and \u0000 and a NUL',
      'emoji 🍚, 米饭, الأرز, and \u202eturned round\u202c',
      'JSON\nEOF',
    ];

    /** @returns the status that curl was answered with */
    async function runInShell(command: string, env: Record<string, string> = {}): Promise<string> {
      const asked = command.replace('curl -sS', "curl -sS -o /dev/null -w '%{http_code}'");
      const shell = spawn('sh', { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
      shell.stdin.end(asked); // one argument would be too short for some
      return text(shell.stdout);
    }

    function stringsOf(value: unknown): string[] {
      if (typeof value === 'string') return [value];
      return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsOf) : [];
    }

    test('each command of each API works in a shell, and asks that API what the page asked', async () => {
      const { page } = await visit();
      await ready(page);
      await fill(page, NASTY[0] as string, NASTY);
      await rank(page);
      const told = (await (await fetch(`${served.url}/page/models`)).json()) as {
        apis: { name: string; title: string; endpoints: { path: string; kind: string }[] }[];
      };
      expect(await page.locator('[role="tab"]').allTextContents()).toEqual(
        told.apis.map(({ title }) => title),
      );
      for (const { name, title, endpoints } of told.apis) {
        await page.getByRole('tab', { name: title, exact: true }).click();
        const commands = await page.locator('#curl pre').allTextContents();
        expect(commands).toHaveLength(endpoints.length);
        for (const [i, command] of commands.entries()) {
          heard.length = 0;
          expect([title, command, await runInShell(command)]).toEqual([title, command, '200']);
          await until(() => heard.length > 0);
          expect([command, heard[0]?.served.api]).toEqual([command, name]);
          const sent = stringsOf(heard[0]?.body);
          const asksQueryOnly = !sent.includes(NASTY[1] as string);
          expect(endpoints[i]?.kind === 'embed' || !asksQueryOnly).toBe(true);
          expect(sent).toEqual(expect.arrayContaining(asksQueryOnly ? [NASTY[0]] : NASTY));
        }
      }
    });

    test('where the clipboard is closed, the whole command is shown and selected', async () => {
      const { page } = await visit({ permissions: [] });
      await ready(page);
      await fill(page, QUERY, [LONG, `${LONG} Again.`]);
      await rank(page);
      const [command] = await page.locator('#curl pre').allTextContents();
      expect(command).toMatch(/copying takes all of it/);
      await page.getByRole('button', { name: 'Copy the command for /rerank' }).click();
      await page.getByText('Selected: press Ctrl+C').waitFor();
      expect(await runInShell(await page.evaluate<string>('getSelection().toString()'))).toBe('200');
    });

    test('a command too long for an argument is copied whole, and works', async () => {
      const { page } = await visit({ permissions: ['clipboard-read', 'clipboard-write'] });
      await ready(page);
      const long = [`it's ${'long '.repeat(40_000)}`, 'short'];
      await fill(page, QUERY, long);
      await rank(page);
      await page.getByRole('button', { name: 'Copy the command for /rerank' }).click();
      await page.getByText('Copied').waitFor();
      const command = await page.evaluate<string>('navigator.clipboard.readText()');
      expect(command.length).toBeGreaterThan(200_000);
      heard.length = 0;
      expect(await runInShell(command)).toBe('200');
      await until(() => heard.length > 0);
      expect(stringsOf(heard[0]?.body)).toEqual(expect.arrayContaining([QUERY, long[0]?.trim()]));
    });

    test('with several rerankers a command names the chosen one, or a note tells what it does instead', async () => {
      const { models } = MODELS;
      const { server, url } = await startServer({
        models: [...models, `${fixture('bert')}=second`],
        plugins: [remember, pagePlugin],
      });
      try {
        const { page } = await visit({}, url);
        await ready(page);
        await page.selectOption('#model', 'second');
        await fill(page, QUERY, ['a', 'b']);
        await rank(page);
        const notes: string[] = [];
        for (const tab of await page.locator('[role="tab"]').all()) {
          await tab.click();
          const name = (await tab.getAttribute('id'))?.replace('tab-', '');
          for (const command of await page.locator('.command').all()) {
            heard.length = 0;
            expect(await runInShell((await command.locator('pre').textContent()) as string)).toBe('200');
            await until(() => heard.length > 0);
            const { api, model } = (heard[0] as Heard).served;
            const [note] = await command.locator('.help').allTextContents();
            if (note !== undefined) notes.push(note);
            const expected =
              note === undefined ? [name, model === 'embedder' ? 'embedder' : 'second'] : [api, model];
            expect([api, model]).toEqual(expected);
          }
        }
        expect(notes).toEqual(
          expect.arrayContaining([expect.stringContaining('the first one that is served answers')]),
        );
        expect(notes).toEqual(expect.arrayContaining([expect.stringContaining('--api cohere-v1')]));
      } finally {
        await server.close();
      }
    });

    test('the API key is asked for, kept for the tab, and never part of a command', async () => {
      const { server, url } = await startServer({ plugins: [pagePlugin], apiKeys: ['right-key'] });
      try {
        const { page } = await visit({}, url);
        await page.getByText('a valid API key is needed', { exact: false }).waitFor();
        expect(await page.evaluate('document.activeElement.id')).toBe('key');
        await page.keyboard.type('wrong-key');
        await page.keyboard.press('Enter');
        await holds(page, "document.getElementById('model').options.length === 0");
        await page.fill('#key', 'right-key');
        await page.keyboard.press('Enter');
        await ready(page);
        expect(await page.locator('#failure').isVisible()).toBe(false);
        await fill(page, QUERY, ['a', 'b']);
        await rank(page);
        const command = (await page.locator('#curl pre').first().textContent()) as string;
        expect(command).not.toContain('right-key');
        expect(await runInShell(command)).toBe('401');
        expect(await runInShell(command, { CROSSRANK_API_KEY: 'right-key' })).toBe('200');
        expect(await page.evaluate('JSON.stringify(localStorage)')).toBe('{}');
        await page.reload();
        await ready(page);
      } finally {
        await server.close();
      }
    });
  });

  describe('what goes wrong', () => {
    test('a missing query or document is told at its field, which gets the focus', async () => {
      const { page } = await visit();
      await page.click('#run');
      await page.getByText('Type a query first.').waitFor();
      expect(await page.evaluate('document.activeElement.id')).toBe('query');
      await page.fill('#query', 'x');
      await page.click('#run');
      await page.getByText('Paste documents first').waitFor();
      expect(await page.getAttribute('#documents', 'aria-invalid')).toBe('true');
    });

    test('a server that does not answer, refuses, or runs out of time says what to do', async () => {
      const { server, url } = await startServer({ plugins: [pagePlugin], maxDocuments: 3, timeoutMs: 1 });
      const { page } = await visit({}, url);
      await ready(page);
      await fill(page, QUERY, ['a', 'b', 'c', 'd']);
      await page.getByText('The server takes 3 documents at most.').waitFor();
      await fill(page, QUERY, [LONG, LONG.slice(1), LONG.slice(2)]);
      await page.click('#run');
      await page.getByText('The deadline of the request has passed.').waitFor();
      await page.getByText('Send fewer documents', { exact: false }).waitFor();
      await server.close();
      await page.click('#run');
      await page.getByText('The server cannot be reached.').waitFor();
      await page.getByText('Check that crossrank serve is still running, then run again.').waitFor();
      expect(await page.locator('#cancel').isVisible()).toBe(false);
    });
  });

  describe('how it looks', () => {
    const colours = (page: Page) => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');

    test('light and dark follow the system, and the button goes before, also after a reload', async () => {
      const { page } = await visit({ colorScheme: 'light' });
      const light = await colours(page);
      await page.emulateMedia({ colorScheme: 'dark' });
      const dark = await colours(page);
      expect(dark).not.toBe(light);
      await page.click('#theme');
      expect([await page.textContent('#theme'), await colours(page)]).toEqual(['Theme: light', light]);
      await page.reload();
      expect(await colours(page)).toBe(light);
      await page.click('#theme');
      expect([await page.textContent('#theme'), await colours(page)]).toEqual(['Theme: dark', dark]);
    });

    test.each([
      ['a narrow window', { width: 360, height: 740 }],
      ['a window at 200 %', { width: 640, height: 400 }],
    ])('%s has one column and no sideways scrolling', async (_, viewport) => {
      const { page, troubles } = await ranked({ viewport });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(viewport.width);
      expect(await page.locator('#reranked').isVisible()).toBe(true);
      expect(await page.locator('#first').isVisible()).toBe(false);
      await page.check('#view-first');
      expect(await page.locator('#reranked').isVisible()).toBe(false);
      expect(await page.locator('#first .item').first().isVisible()).toBe(true);
      expect(troubles).toEqual([]);
    });
  });
});
