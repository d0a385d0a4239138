import type { Dialect } from '../dialect';
import { cohereV1 } from './cohere-v1';
import { cohereV2 } from './cohere-v2';
import { huggingface } from './huggingface';
import { jina } from './jina';
import { openai } from './openai';
import { tei } from './tei';
import { vllm } from './vllm';
import { voyage } from './voyage';

/** In the order in which they are asked for a request that several could be meant for. */
export const DIALECTS: readonly Dialect[] = [
  tei,
  jina,
  cohereV1,
  cohereV2,
  voyage,
  openai,
  vllm,
  huggingface,
];
