import type { Dialect } from '../dialect';
import { tei } from './tei';

/** In the order in which they are asked for a request that several could be meant for. */
export const DIALECTS: readonly Dialect[] = [tei];
