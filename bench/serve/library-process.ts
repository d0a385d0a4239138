/** The library in a process of its own: the same work as the server gets, without HTTP. */
import type { LoadOptions, Reranker } from '../../lib';
import { nativeBinding } from '../../lib/native/binding';
import { serveParent } from '../child';
import type { ChosenModel } from '../models';
import { makeTexts, type TextSet } from '../texts';
import { loadModel } from '../under-load/scenario';
import { type Rate, runFor } from './throughput';
import { CALLERS, DOCUMENTS, LENGTH, requestOf, SETS, SMALL_LENGTH } from './work';

export interface Texts {
  usual: TextSet[];
  small: TextSet[];
}

let reranker: Reranker;
let texts: Texts;

async function rerank({ query, documents }: TextSet): Promise<number> {
  const { results } = await reranker.rerank(query, documents, { returnDocuments: false });
  return results.length;
}

const methods = {
  async open({ model, options }: { model: ChosenModel; options: LoadOptions }) {
    const all = { rounds: 0, seconds: 0, soak: 0 };
    reranker = await loadModel({ model, options, ...all });
    await reranker.warmUp();
    texts = {
      usual: await makeTexts(reranker, SETS, DOCUMENTS, LENGTH),
      small: await makeTexts(reranker, SETS, 1, SMALL_LENGTH),
    };
    return { texts, info: reranker.info(), instructionSets: nativeBinding().cpuFeatures() };
  },
  throughput({ seconds, round }: { seconds: number; round: number }): Promise<Rate> {
    return runFor(seconds, CALLERS, (number) => rerank(requestOf(texts.usual, round, number)));
  },
  async small({ requests, round }: { requests: number; round: number }): Promise<number[]> {
    const times: number[] = [];
    for (let number = 0; number < requests; number++) {
      const request = requestOf(texts.small, round, number);
      const started = performance.now();
      await rerank(request);
      times.push(performance.now() - started);
    }
    return times;
  },
};

export type LibraryMethods = typeof methods;

serveParent<LibraryMethods>(methods);
