import type { RerankOptions } from '../../options';
import type { RankedIndex } from '../../response';
import type { TextRecord } from '../input/texts';

/** What both ways with documents of one's own ask for. */
export interface RerankTask {
  options: RerankOptions;
  /** Fields of document objects. */
  text: string;
  id: string | undefined;
  /** Whether results carry the document. */
  documents: boolean;
}

/** What is told of a result. */
export type Placed = Pick<RankedIndex, 'index' | 'score' | 'truncated' | 'span'>;

/** A result as JSON. */
export function resultRecord(
  { index, score, truncated, span }: Placed,
  { id, given }: Pick<TextRecord, 'id' | 'given'>,
  withDocument: boolean,
): Record<string, unknown> {
  return {
    index,
    ...(id === undefined ? {} : { id }),
    score,
    truncated,
    ...(span === undefined ? {} : { span }),
    ...(withDocument ? { document: given } : {}),
  };
}
