import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reranker } from '../../lib';
import { countTokens } from '../../lib/cli/bench/token-counts';
import { type Spread, spreadOf } from '../../lib/statistics';
import { exportModel } from '../models';
import { makeTexts, type TextSet } from '../texts';
import { inTurns } from '../turns';
import type { PaddedModel } from './padded-process';
import { PaddedServer } from './padded-server';
import { CALLERS, DOCUMENTS, loadModel, type Settings, type Show } from './scenario';

/** Documents of very different lengths, against first come, first served without sorting and packing. */
export interface Mixed {
  callers: number;
  /** Of both sides in a round. */
  pairs: number;
  tokensPerPair: number;
  /** Tokens that padding adds to the other side's work, as a share of its tokens. */
  paddingShare: number;
  /** Pairs a second, round by round. */
  rounds: { packed: number; padded: number }[];
  packedPerSecond: Spread;
  paddedPerSecond: Spread;
  /** Packed over padded, round by round. */
  ratio: Spread;
}

const LENGTH = { min: 10, max: 400 };
/** Room for a query and special tokens beside the longest document. */
const ROOM = 64;
const USUAL_MAX_LENGTH = 512;

/**
 * Both sides in fp32, the exported file's arithmetic, with as many threads. The other side is given the number of tokens
 * of each pair, and not the text: its time has no tokenizing in it.
 */
export async function measureMixed(settings: Settings, show: Show): Promise<Mixed> {
  await using reranker = await loadModel(settings, { precision: 'fp32' });
  const { model: folder, threads } = reranker.info();
  const exported = exportModel(settings.model, folder);
  let server: PaddedServer | undefined;
  try {
    server = await PaddedServer.start(paddedModel(exported.folder), threads);
    return await compare(reranker, server, settings.rounds, show);
  } finally {
    server?.close();
    exported.remove();
  }
}

async function compare(reranker: Reranker, server: PaddedServer, count: number, show: Show): Promise<Mixed> {
  const maxLength = Math.min(reranker.info().maxLength, USUAL_MAX_LENGTH);
  const length = { ...LENGTH, max: Math.min(LENGTH.max, Math.max(LENGTH.min, maxLength - ROOM)) };
  const sets = await makeTexts(reranker, CALLERS * count, DOCUMENTS, length);
  const lengths = await pairTokens(reranker, sets, maxLength);
  const of = <T>(items: readonly T[], round: number) => items.slice(round * CALLERS, (round + 1) * CALLERS);
  await reranker.rerank((sets[0] as TextSet).query, (sets[0] as TextSet).documents);
  await server.serve(new Array(reranker.info().threads).fill(lengths[0]));

  const pairs = CALLERS * DOCUMENTS;
  const work = { packed: 0, padded: 0, computed: 0 };
  const rate = async (run: () => Promise<void>) => {
    const started = performance.now();
    await run();
    return (pairs / (performance.now() - started)) * 1000;
  };
  const results = await inTurns(
    count,
    (round) =>
      rate(async () => {
        const calls = of(sets, round).map(({ query, documents }) =>
          reranker.rerank(query, documents, { topK: 10, returnDocuments: false }),
        );
        for (const { usage } of await Promise.all(calls)) work.packed += usage.tokens;
      }),
    (round) =>
      rate(async () => {
        const { tokens, computed } = await server.serve(of(lengths, round));
        work.padded += tokens;
        work.computed += computed;
      }),
    (round) => show(round / count),
  );
  if (work.packed !== work.padded) {
    throw new Error(`the two sides had ${work.packed} and ${work.padded} tokens, and not the same pairs`);
  }
  return {
    callers: CALLERS,
    pairs,
    tokensPerPair: work.packed / (pairs * count),
    paddingShare: work.computed / work.padded - 1,
    rounds: results.map(([packed, padded]) => ({ packed, padded })),
    packedPerSecond: spreadOf(results.map(([packed]) => packed)),
    paddedPerSecond: spreadOf(results.map(([, padded]) => padded)),
    ratio: spreadOf(results.map(([packed, padded]) => packed / padded)),
  };
}

/** Tokens of each set's pairs, as the model sees them. */
async function pairTokens(
  reranker: Reranker,
  sets: readonly TextSet[],
  maxLength: number,
): Promise<number[][]> {
  const queries = await countTokens(
    reranker,
    sets.map(({ query }) => query),
  );
  const documents = await countTokens(
    reranker,
    sets.flatMap((set) => set.documents),
  );
  const { query, documents: [document = ''] = [] } = sets[0] as TextSet;
  const { usage } = await reranker.rerank(query, [document]);
  const special = usage.tokens - (queries[0] as number) - (documents[0] as number);
  return sets.map((_, i) =>
    documents
      .slice(i * DOCUMENTS, (i + 1) * DOCUMENTS)
      .map((tokens) => Math.min(tokens + (queries[i] as number) + special, maxLength)),
  );
}

function paddedModel(folder: string): PaddedModel {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  return {
    file: join(folder, 'model.onnx'),
    vocabSize: config.vocab_size,
    padId: config.pad_token_id ?? 0,
  };
}
