import { CrossrankError } from '../errors';

/** How the states of a text's tokens become one embedding: the first token's, their mean, the last token's. */
export type Pooling = 'cls' | 'mean' | 'last';

/** Names of modes that run here, as the key `pooling_mode` gives them, and as the ends of keys `pooling_mode_...`. */
const RUN = new Map<string, Pooling>([
  ['cls', 'cls'],
  ['mean', 'mean'],
  ['lasttoken', 'last'],
  ['cls_token', 'cls'],
  ['mean_tokens', 'mean'],
]);

/**
 * The pooling of a sentence-transformers Pooling module, as that reads it: a string `pooling_mode`, or in older files
 * flags `pooling_mode_cls_token`, `pooling_mode_mean_tokens` ... of which one is true; the mean where none is.
 *
 * @param file - what messages call it
 * @throws {@link CrossrankError} with `ERR_MODEL_UNSUPPORTED`, naming what does not run here
 */
export function pooledBy(config: Record<string, unknown>, file: string): Pooling {
  if (config.include_prompt === false) {
    throw unsupported(file, 'leaves the tokens of prompts out of the mean (include_prompt)');
  }
  const modes = modesOf(config);
  if (modes.length > 1) throw unsupported(file, `joins several poolings (${modes.join(', ')})`);
  const [mode = 'mean'] = modes;
  const pooling = RUN.get(mode);
  if (pooling === undefined) throw unsupported(file, `asks for the pooling ${JSON.stringify(mode)}`);
  return pooling;
}

function modesOf(config: Record<string, unknown>): string[] {
  const { pooling_mode: named } = config;
  if (named !== undefined) return (Array.isArray(named) ? named : [named]).map(String);
  return Object.entries(config).flatMap(([key, value]) => {
    const mode = /^pooling_mode_(.+)$/.exec(key)?.[1];
    return mode !== undefined && value === true ? [mode] : [];
  });
}

function unsupported(file: string, what: string): CrossrankError {
  return new CrossrankError(
    'ERR_MODEL_UNSUPPORTED',
    `${file} ${what}; known are the first token (cls), the mean and the last token`,
  );
}
