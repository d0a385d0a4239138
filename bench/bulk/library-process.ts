/** The library in a process of its own: it writes the questions of a round, and answers them without Redis. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { LoadOptions, Reranker } from '../../lib';
import type { Range } from '../../lib/cli/command-line';
import { inOrder } from '../../lib/cli/in-order';
import { inputLines } from '../../lib/cli/input/input-lines';
import { openSource } from '../../lib/cli/input/source';
import { nativeBinding } from '../../lib/native/binding';
import { serveParent } from '../child';
import type { ChosenModel } from '../models';
import { makeTexts, type TextSet } from '../texts';
import { loadModel } from '../under-load/scenario';
import { DOCUMENTS } from './arguments';

const SETS = 64;
/** As many as `crossrank rerank --batch` has under way. */
const AT_ONCE = 16;

let reranker: Reranker;
let sets: TextSet[];

const methods = {
  async open({ model, options, length }: { model: ChosenModel; options: LoadOptions; length: Range }) {
    reranker = await loadModel({ model, options, rounds: 0, seconds: 0, soak: 0 });
    await reranker.warmUp();
    sets = await makeTexts(reranker, SETS, DOCUMENTS, length);
    return { info: reranker.info(), instructionSets: nativeBinding().cpuFeatures() };
  },
  /** Questions that are in no cache: where they come from stands in front of every document. */
  async write({ path, round, questions }: { path: string; round: string; questions: number }): Promise<void> {
    const file = openSync(path, 'w');
    for (let number = 0; number < questions; number++) {
      const { query, documents } = sets[number % SETS] as TextSet;
      const own = documents.map((document) => `${round} ${number} ${document}`);
      writeSync(file, `${JSON.stringify({ query, documents: own })}\n`);
    }
    closeSync(file);
  },
  /** Answers a file of questions; seconds and pairs. */
  async answer({ path }: { path: string }): Promise<{ seconds: number; pairs: number }> {
    const started = performance.now();
    let pairs = 0;
    const source = openSource(path, new AbortController().signal);
    const answers = inOrder(inputLines(source), AT_ONCE, ({ text }) => {
      const { query, documents } = JSON.parse(text as string) as TextSet;
      return reranker.rerank(query, documents, { priority: 'bulk' });
    });
    for await (const { results } of answers) pairs += results.length;
    return { seconds: (performance.now() - started) / 1000, pairs };
  },
};

export type LibraryMethods = typeof methods;

serveParent<LibraryMethods>(methods);
