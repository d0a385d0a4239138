import type { VectorStore } from '../../lib';
import { wrongFilters } from './store-filters';

/**
 * What stores of other makers promise beyond the contract, each of which they get wrong in some way by themselves.
 * @param open - an empty store of three dimensions; `exact` where it may choose to search approximately
 */
export function describeOtherStore(open: (options: { exact?: boolean }) => Promise<VectorStore>): void {
  const vector = Float32Array.of(1, 0, 0);

  test('any filter finds what it says', async () => {
    expect(await wrongFilters(await open({}))).toEqual([]);
  });

  test('half a character in metadata becomes U+FFFD', async () => {
    const store = await open({});
    const metadata = { part: '🎉'.slice(0, 1), ['🎉'.slice(1)]: 'x' };
    await store.add([{ id: 'a', text: '', metadata, vector }]);
    expect(await store.get(['a'])).toMatchObject([{ metadata: { part: '\uFFFD', '\uFFFD': 'x' } }]);
  });

  test('of equal scores, topK keeps those with the lowest ids', async () => {
    const store = await open({ exact: true });
    const ids = Array.from({ length: 40 }, (_, i) => `${(i * 7) % 40}`.padStart(2, '0'));
    await store.add(ids.map((id) => ({ id, text: '', vector })));
    const hits = await store.query(vector, { topK: 3 });
    expect(hits.map(({ document }) => document.id)).toEqual(['00', '01', '02']);
    expect(await store.query(vector, { topK: Number.MAX_SAFE_INTEGER })).toHaveLength(40);
  });
}
