import { decodePostings, Postings } from '../lib/search/postings';

/** A reproducible stream of numbers below `below`. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function read(postings: Postings, term: number): [number, number][] {
  const count = postings.count(term);
  const documents = new Uint32Array(count);
  const frequencies = new Uint32Array(count);
  postings.read(term, documents, frequencies);
  return Array.from(documents, (document, i) => [document, frequencies[i] as number]);
}

test('lists that grow side by side over pages are read as they were written', () => {
  const next = numbers(1);
  const postings = new Postings();
  const lists = Array.from({ length: 100 }, () => [] as [number, number][]);
  lists.forEach((_, term) => expect(postings.addTerm()).toBe(term));
  // Slices of 8 bytes, so that those of the lists come to the end of the first page of 1 MB.
  for (let i = 0; i < 129_000; i++) postings.addTerm();
  for (let document = 0; document < 20_000; document++) {
    // The first terms are in nearly every document, the last in few.
    for (let term = next(4); term < lists.length; term += 1 + next(4 + term)) {
      const frequency = 1 + (next(2) === 0 ? next(500) : 0);
      postings.append(term, document, frequency);
      lists[term]?.push([document, frequency]);
    }
  }
  expect(postings.encoded(0).length).toBeGreaterThan(4096);
  lists.forEach((list, term) => expect(read(postings, term).join()).toBe(list.join()));
});

test('the largest documents and frequencies are kept', () => {
  const postings = new Postings();
  const term = postings.addTerm();
  const list: [number, number][] = [
    [0, 2 ** 31 - 1],
    [1, 1],
    [127, 128],
    [2 ** 24 - 3, 2],
    [2 ** 24 - 2, 2 ** 31 - 1],
  ];
  for (const [document, frequency] of list) postings.append(term, document, frequency);
  expect(read(postings, term)).toEqual(list);
});

test('a term without postings has none', () => {
  const postings = new Postings();
  expect(read(postings, postings.addTerm())).toEqual([]);
});

test('bytes that end early are told by the offset', () => {
  const postings = new Postings();
  const term = postings.addTerm();
  for (let i = 0; i < 100; i++) postings.append(term, i * 1000, 1 + i * 50);
  const encoded = postings.encoded(term).slice();
  const room = () => new Uint32Array(100);
  expect(decodePostings(encoded, 0, 100, room(), room())).toBe(encoded.length);
  for (let end = 0; end < encoded.length; end++) {
    expect(decodePostings(encoded.subarray(0, end), 0, 100, room(), room())).toBeGreaterThan(end);
  }
});
