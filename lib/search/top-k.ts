/** What {@link topK} chooses from. */
export interface Candidates {
  /** By document; 0 is none. */
  scores: Float64Array;
  /** Asked only of documents that would be among the best. */
  accepts(document: number): boolean;
  /** Breaks ties: the lower one first, as JavaScript compares strings. */
  idOf(document: number): string;
}

/**
 * The `k` documents with the highest scores, best first, equal scores by id: a heap of the best so far with the worst of
 * them on top.
 */
export function topK(candidates: Candidates, k: number): number[] {
  const { scores, accepts, idOf } = candidates;
  const isWorse = (a: number, b: number): boolean => {
    const difference = (scores[a] as number) - (scores[b] as number);
    return difference < 0 || (difference === 0 && idOf(a) > idOf(b));
  };
  const heap: number[] = [];
  for (let document = 0; document < scores.length; document++) {
    if (scores[document] === 0) continue;
    if (heap.length < k) {
      if (accepts(document)) siftUp(heap, document, isWorse);
    } else if (isWorse(heap[0] as number, document) && accepts(document)) {
      siftDown(heap, document, isWorse);
    }
  }
  return heap.sort((a, b) => (isWorse(a, b) ? 1 : -1));
}

/** Adds a document. */
function siftUp(heap: number[], document: number, isWorse: (a: number, b: number) => boolean): void {
  let hole = heap.length;
  while (hole > 0) {
    const parent = (hole - 1) >> 1;
    if (!isWorse(document, heap[parent] as number)) break;
    heap[hole] = heap[parent] as number;
    hole = parent;
  }
  heap[hole] = document;
}

/** Puts a document in the place of the worst. */
function siftDown(heap: number[], document: number, isWorse: (a: number, b: number) => boolean): void {
  let hole = 0;
  for (;;) {
    let child = 2 * hole + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isWorse(heap[child + 1] as number, heap[child] as number)) child++;
    if (!isWorse(heap[child] as number, document)) break;
    heap[hole] = heap[child] as number;
    hole = child;
  }
  heap[hole] = document;
}
