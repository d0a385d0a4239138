import { Reranker } from '../lib';
import type { Tokens } from '../lib/tokenize';
import { ARCHITECTURES, fixture, golden } from './support/models';

const load = (name: string) => Reranker.load(fixture(name), { precision: 'fp32' });

describe.each(ARCHITECTURES)('%s', (name) => {
  let model: Reranker;
  beforeAll(async () => {
    model = await load(name);
  });
  afterAll(() => model.dispose());

  test('tokens are those of transformers, and lie where they say', async () => {
    const cases = golden(fixture(name)).filter(({ input_ids, max_length }) => input_ids.length < max_length);
    const tokens = await model.tokenize(cases.flatMap(({ query, document }) => [query, document]));
    expect(tokens).toHaveLength(cases.length * 2);
    for (const [i, { query, document, input_ids }] of cases.entries()) {
      const [asked, answered] = tokens.slice(2 * i) as [Tokens, Tokens];
      const ids = [...asked.ids, ...answered.ids];
      expect(input_ids.length - ids.length).toBe(/roberta/.test(name) ? 4 : 3); // special ones
      const start = input_ids.slice(1, 1 + asked.ids.length);
      expect([...asked.ids]).toEqual(start);
      const end = input_ids.length - 1;
      expect([...answered.ids]).toEqual(input_ids.slice(end - answered.ids.length, end));
      checkOffsets(query, asked);
      checkOffsets(document, answered);
    }
  });
});

/** Inside the text, in order, between whole characters; together they hold every letter, digit and Han character. */
function checkOffsets(text: string, { ids, starts, ends }: Tokens): void {
  expect([starts.length, ends.length]).toEqual([ids.length, ids.length]);
  const covered = new Array<boolean>(text.length).fill(false);
  let before = 0;
  for (let i = 0; i < ids.length; i++) {
    const [start, end] = [starts[i] as number, ends[i] as number];
    expect(start).toBeGreaterThanOrEqual(before);
    expect(end).toBeGreaterThanOrEqual(start);
    expect(end).toBeLessThanOrEqual(text.length);
    const slice = text.slice(start, end);
    expect(Buffer.from(slice).toString()).toBe(slice); // half a surrogate pair would become U+FFFD
    covered.fill(true, start, end);
    before = start;
  }
  for (const { index } of text.matchAll(/[\p{Script=Latin}\p{Nd}\p{Script=Han}]/gu))
    expect(covered[index]).toBe(true);
}

describe('tokenize', () => {
  test('takes no texts, empty ones, and more than one turn copies', async () => {
    const model = await load('bert');
    expect(await model.tokenize([])).toEqual([]);
    const [empty] = await model.tokenize(['']);
    expect([empty?.ids.length, empty?.starts.length, empty?.ends.length]).toEqual([0, 0, 0]);
    const texts = Array.from({ length: 50 }, (_, i) => `method ${i} `.repeat(1000));
    const together = await model.tokenize(texts);
    for (const i of [0, 25, 49]) expect(together[i]).toEqual((await model.tokenize([texts[i] as string]))[0]);
    await model.dispose();
  });

  test('loads a model that was unloaded', async () => {
    const model = await Reranker.load(fixture('bert'), { precision: 'fp32', idleUnloadMs: 0 });
    while (model.info().loaded) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await model.tokenize(['pressure']))[0]?.ids.length).toBeGreaterThan(0);
    await model.dispose();
  });

  test('refuses what is no text, and ends with its reranker', async () => {
    const model = await load('bert');
    // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
    const tokenize = (texts: any) => model.tokenize(texts);
    await expect(tokenize('text')).rejects.toThrow(/an array of strings for texts/);
    await expect(tokenize(['a', 5])).rejects.toThrow(/a string for texts\[1\] but received 5/);
    const last = model
      .tokenize(['pressure '.repeat(1000)])
      .catch((error) => expect(error.code).toBe('ERR_CLOSED'));
    await model.dispose();
    await last;
    await expect(model.tokenize(['pressure'])).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});
