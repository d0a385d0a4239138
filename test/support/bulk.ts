import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { randomNumbers } from '../../lib/random';
import { Reranker } from '../../lib/reranker';
import { CliProcess } from './cli-process';
import { fixture, temporaryFolder } from './models';

export const MODEL = fixture('bert');
const WORDS = 'mars planet red bread water moon science rust index database fast slow why'.split(' ');
const POLL_MS = 5;

export interface Question {
  id: string;
  query: string;
  documents: string[];
}

/** The same ones each time. */
export function questions(count: number, documents = 8): Question[] {
  const random = randomNumbers(7);
  const words = (most: number) =>
    Array.from({ length: 2 + Math.floor(random() * most) }, () => WORDS[Math.floor(random() * WORDS.length)]);
  return Array.from({ length: count }, (_, i) => ({
    id: `q${i}`,
    query: words(4).join(' '),
    documents: Array.from({ length: 1 + (i % documents) }, () => words(30).join(' ')),
  }));
}

/** Writes lines of a batch. */
export function batchFile(lines: readonly (Question | string)[]): string {
  const path = join(temporaryFolder(), 'batch.jsonl');
  const texts = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  writeFileSync(path, `${texts.join('\n')}\n`);
  return path;
}

export interface AnswerLine {
  line: number;
  id: string;
  results: { index: number; score: number; truncated: boolean; document: string }[];
}

/** What the library itself answers to such lines; those that are no question are left out. */
export async function expectedAnswers(
  lines: readonly (Question | string)[],
  model: string = MODEL,
): Promise<AnswerLine[]> {
  await using reranker = await Reranker.load(model, { precision: 'fp32', cache: false, profile: false });
  return await Promise.all(
    lines.flatMap((line, i) =>
      typeof line === 'string'
        ? []
        : [
            reranker.rerank(line.query, line.documents).then(({ results }) => ({
              line: i + 1,
              id: line.id,
              results: results.map(({ index, score, truncated, document }) => ({
                ...{ index, score, truncated, document },
              })),
            })),
          ],
    ),
  );
}

export function readLines<Line>(path: string): Line[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** `crossrank worker` on the small model, ready for chunks. */
export async function startWorker(url: string, args: readonly string[] = []): Promise<CliProcess> {
  const own = ['--model', MODEL, '--precision', 'fp32', '--threads', '1', '--lost-after', '1'];
  const worker = new CliProcess(['worker', ...own, ...args], { env: { REDIS_URL: url } });
  await worker.says(/^ready/m);
  return worker;
}

/** `crossrank worker --embed` on the small embedder, ready for chunks. */
export async function startEmbedWorker(url: string): Promise<CliProcess> {
  const model = ['--model', fixture('bert-embedder'), '--precision', 'fp32', '--threads', '1'];
  const worker = new CliProcess(['worker', '--embed', ...model], { env: { REDIS_URL: url } });
  await worker.says(/^ready/m);
  return worker;
}

export function startSubmit(url: string, args: readonly string[]): CliProcess {
  return new CliProcess(['submit', ...args, '--json'], { env: { REDIS_URL: url } });
}

/** Resolves when a submission has written so many chunks; rejects when it has ended before. */
export async function written(output: string, chunks: number, submit: CliProcess): Promise<void> {
  const over = submit.ended();
  for (;;) {
    const journal = existsSync(`${output}.journal`) ? readFileSync(`${output}.journal`, 'utf8') : '';
    if (journal.split('\n').length - 2 >= chunks) return;
    const ended = await Promise.race([over, wait(POLL_MS)]);
    if (ended !== undefined) throw new Error(`it ended before ${chunks} chunks: ${JSON.stringify(ended)}`);
  }
}
