import type { SearchResponse } from '../../search/response';
import { oneLine, shorten } from '../one-line';

/** One line of JSON. */
export function answerRecord(query: string, response: SearchResponse): Record<string, unknown> {
  const { results, degraded, reasons, candidates, notice, timings } = response;
  return {
    query,
    results: results.map(({ rank, score, document, firstStage }) => ({
      rank,
      score,
      ...document,
      firstStage,
    })),
    degraded,
    ...(degraded ? { reasons } : {}),
    ...(notice === undefined ? {} : { notice }),
    candidates,
    timings,
  };
}

const ID_COLUMNS = 24;

/** For people: rank, score, where it was before, id and text; as wide as a terminal. */
export function answerText(
  query: string,
  response: SearchResponse,
  { isTTY, columns }: NodeJS.WriteStream,
): string {
  const { results, reasons, notice, candidates, timings } = response;
  const lines = [`${oneLine(query)}  (${candidates} candidates, ${timings.totalMs.toFixed(0)} ms)`];
  for (const { rank, score, document, firstStage } of results) {
    const start =
      `${String(rank).padStart(3)}  ${score.toFixed(4)}  was ${String(firstStage.rank).padStart(3)}  ` +
      `${shorten(document.id, ID_COLUMNS)}  `;
    const text = isTTY
      ? shorten(document.text, Math.max(20, (columns || 80) - start.length))
      : oneLine(document.text);
    lines.push(`${start}${text}`);
  }
  if (notice !== undefined) lines.push(notice);
  else if (results.length === 0) lines.push('nothing was found');
  for (const { stage, message } of reasons) lines.push(`degraded: ${stage}: ${message}`);
  return lines.join('\n');
}
