import { CrossrankError, invalidArgument } from '../errors';
import { checkTopK } from './checks';

/** How many candidates the first stage finds, and how many of them come back after reranking. */
export interface SearchDepth {
  initialK: number;
  topK: number;
}

/**
 * Depths for usual purposes. Quality grows with `initialK` and so does the time of reranking, in proportion;
 * `crossrank eval --sweep` shows both on your own data.
 */
export const PRESETS = {
  /** A person waits for an answer. */
  realtime: { initialK: 50, topK: 5 },
  /** A model reads what comes back: passages for a prompt. */
  document: { initialK: 100, topK: 10 },
  /** Results while somebody types. */
  preview: { initialK: 20, topK: 3 },
  /** Nothing may be missed. */
  deep: { initialK: 200, topK: 20 },
} as const satisfies Record<string, SearchDepth>;

export type Preset = keyof typeof PRESETS;

export const DEFAULT_PRESET: Preset = 'realtime';

/**
 * The preset's depth, with what was given in its place.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` for an unknown preset, or `initialK` below `topK`
 */
export function searchDepth({
  preset,
  initialK,
  topK,
}: Partial<SearchDepth> & { preset?: Preset }): SearchDepth {
  if (preset !== undefined && !Object.hasOwn(PRESETS, preset)) {
    throw invalidArgument('preset', `one of '${Object.keys(PRESETS).join("', '")}'`, preset);
  }
  const name = preset ?? DEFAULT_PRESET;
  const depth = { initialK: initialK ?? PRESETS[name].initialK, topK: topK ?? PRESETS[name].topK };
  checkTopK(depth.initialK, 'initialK');
  checkTopK(depth.topK);
  if (depth.initialK < depth.topK) {
    const origin = (value: unknown) => (value === undefined ? ` of the preset '${name}'` : '');
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `initialK ${depth.initialK}${origin(initialK)} is below topK ${depth.topK}${origin(topK)}: results are chosen ` +
        'among the candidates, so initialK must be at least topK',
    );
  }
  return depth;
}
