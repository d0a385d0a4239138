// Ranks the shipped sample, or the user's own query and documents, and prints a small table.
import { createReadStream, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);

const USAGE = `npm start                                        ranks a shipped sample
npm start -- --query TEXT --documents FILE       ranks your own documents

  --query TEXT        what to look for
  --documents FILE    .jsonl (a string or an object with the field "text" a line) or .txt (one document a line);
                      - reads text or JSON lines from standard input
  --top-k N           print the best N documents
  --model FOLDER      a Hugging Face model folder instead of the embedded model
  --threads N         engine threads (default: all processors)
  --help`;

const OPTIONS = {
  query: { type: 'string' },
  documents: { type: 'string' },
  'top-k': { type: 'string' },
  model: { type: 'string' },
  threads: { type: 'string' },
  help: { type: 'boolean' },
};

class UsageError extends Error {}

function readArguments() {
  try {
    return parseArgs({ options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError(error.message);
  }
}

function readInteger(values, name) {
  if (values[name] === undefined) return undefined;
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`--${name} takes a positive integer, not ${values[name]}`);
  return value;
}

async function readAll(path) {
  const chunks = [];
  try {
    for await (const chunk of path === '-' ? process.stdin : createReadStream(path)) chunks.push(chunk);
  } catch (error) {
    throw new UsageError(`cannot read --documents ${path}: ${error.message}`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

// JSON lines where the file says so, or where standard input begins like them.
async function readDocuments(path) {
  const content = await readAll(path);
  const lines = content.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (lines.length === 0) throw new UsageError(`--documents ${path} holds no documents`);
  const isJson = path.endsWith('.jsonl') || (path === '-' && /^\s*["{]/.test(content));
  return isJson ? lines.map((line, i) => parseLine(line, i + 1, path)) : lines;
}

function parseLine(line, number, path) {
  let value;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new UsageError(`${path}, line ${number}: not JSON (${error.message})`);
  }
  const text = typeof value === 'string' ? value : value?.text;
  if (typeof text !== 'string')
    throw new UsageError(`${path}, line ${number}: neither a string nor an object with "text"`);
  return text;
}

// A terminal shows most East Asian characters two columns wide.
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;

function fit(text, columns) {
  const line = text.replace(/\s+/g, ' ').trim();
  let used = 0;
  let out = '';
  for (const character of line) {
    const width = WIDE.test(character) ? 2 : 1;
    if (used + width > columns - 1) return `${out}…`;
    used += width;
    out += character;
  }
  return out;
}

function printTable(query, results) {
  const columns = Math.max(40, (process.stdout.columns ?? 110) - 18);
  console.log(`\nQuery: ${query}`);
  console.log('  rank   score  document');
  results.forEach(({ score, document, truncated }, i) => {
    const mark = truncated ? ' (cut)' : '';
    console.log(
      `  ${String(i + 1).padStart(4)}  ${score.toFixed(4).padStart(6)}  ${fit(document, columns - mark.length)}${mark}`,
    );
  });
}

async function main() {
  const values = readArguments();
  if (values.help) return console.log(USAGE);
  if ((values.query === undefined) !== (values.documents === undefined)) {
    throw new UsageError('--query and --documents go together');
  }
  const topK = readInteger(values, 'top-k');
  const threads = readInteger(values, 'threads');
  const jobs =
    values.query === undefined
      ? JSON.parse(readFileSync(fileURLToPath(new URL('sample.json', import.meta.url)), 'utf8'))
      : [{ query: values.query, documents: await readDocuments(values.documents) }];

  const { Reranker } = require('../dist/lib/index.js');
  const reranker = await Reranker.load(values.model, threads === undefined ? {} : { threads });
  // The first run of a process pages its memory in; the figures below are those of the ones that follow.
  await reranker.rerank('', ['']);
  let pairs = 0;
  let milliseconds = 0;
  for (const { query, documents } of jobs) {
    const { results, usage, timings } = await reranker.rerank(
      query,
      documents,
      topK === undefined ? {} : { topK },
    );
    pairs += usage.pairs;
    milliseconds += timings.totalMs;
    printTable(query, results);
  }
  const info = reranker.info();
  const name = info.model.split(/[\\/]/).pop();
  const rate = (pairs / milliseconds) * 1000;
  console.log(
    `\n${name}, ${info.precision}, ${info.threads} threads: ${pairs} pairs at ${rate.toFixed(0)} pairs/s, ` +
      `${(milliseconds / jobs.length).toFixed(1)} ms a query`,
  );
  await reranker.dispose();
}

main().catch((error) => {
  if (error instanceof UsageError) {
    console.error(`${error.message}\nnpm start -- --help lists the options.`);
    process.exitCode = 2;
  } else {
    console.error(error.code === undefined ? error : `${error.code}: ${error.message}`);
    process.exitCode = 1;
  }
});
