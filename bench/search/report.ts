import { formatTable } from '../../lib/cli/table';
import type { SearchResponse } from '../../lib/search/response';
import { percentile } from '../../lib/statistics';
import type { IndexRun, SearchLevel, SearchRun } from './measure';

const MB = 1024 * 1024;

const STAGES: readonly (readonly [keyof SearchResponse['timings'], string])[] = [
  ['embedMs', 'embed the query'],
  ['denseMs', 'search vectors'],
  ['keywordsMs', 'search keywords'],
  ['firstStageMs', 'first stage in all'],
  ['rerankMs', 'rerank'],
  ['totalMs', 'total'],
];

export function indexReport(run: IndexRun): string {
  const grown = run.residentBytesMost - run.residentBytesBefore;
  return [
    `${run.documents} chunks: ${run.embedded} embedded, ${run.unchanged} were stored already, in ${run.seconds.toFixed(1)} s` +
      (run.embedded > 0 ? `, ${(run.embedded / run.seconds).toFixed(0)} a second` : ''),
    `resident memory ${megabytes(run.residentBytesBefore)} before, ${megabytes(run.residentBytesMost)} at most; ` +
      `vectors take ${megabytes(run.vectorBytes)}, all else grew by ${megabytes(grown - run.vectorBytes)}`,
  ].join('\n');
}

export function searchReport(run: SearchRun): string {
  const { embedder, reranker } = run.precision;
  const heading =
    `hybrid search, ${run.initialK} candidates reranked, best ${run.topK}; ` +
    `embedder ${embedder}, reranker ${reranker}`;
  return [heading, ...run.levels.map((level) => levelReport(level, run.initialK))].join('\n\n');
}

function levelReport(level: SearchLevel, initialK: number): string {
  const rows = STAGES.map(([stage, name]) => {
    const values = level.timings.map((timings) => timings[stage]);
    return [name, ...[50, 95, 99].map((percent) => percentile(values, percent).toFixed(1)), ''];
  });
  const perSecond = (level.searches / level.seconds).toFixed(1);
  const tokens = level.tokens / level.searches / initialK;
  return (
    `${level.concurrency} at a time: ${level.searches} searches, ${perSecond} a second, ` +
    `${tokens.toFixed(0)} tokens a pair${level.degraded > 0 ? `, ${level.degraded} degraded` : ''}\n` +
    formatTable(['ms', 'P50', 'P95', 'P99', ''], rows)
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / MB).toFixed(0)} MB`;
}
