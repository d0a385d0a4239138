// What docs/guides tells: its programs run, and every option, command, flag, field, metric and link in it exists.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLI, runCli } from './support/cli';
import { ROOT, temporaryFolder } from './support/models';
import { ServedChild } from './support/server';

const FOLDER = join(ROOT, 'docs/guides');

/** Of each page, what its programs print. */
const PRINTED: Record<string, RegExp[]> = {
  'choosing-a-model': [/architecture: 'BertForSequenceClassification'/],
  'initial-k': [/^mars \d+ \d/m, /^3 ndcg@10 1 \d/m],
  'long-documents': [/^true \d{3}/m, /Mars is called the Red Planet\.$/m, /^planets#0 0 \d+ # Mars/m],
  'migrate-from-cohere': [/^1 0\.\d+\n1 0\.\d+\n$/],
  'migrate-from-jina': [/^1 0\.\d+ Mars is .* \d+\n1 0\.\d+ Mars is .*\n384\n$/],
  'migrate-from-sentence-transformers': [/^1 0\.\d+ Mars is/m, /^Float32Array\(2\)/m, /query: 'query: '/],
  'migrate-from-tei': [/^1 0\.\d+ Mars is/, /\{ moved: 0, largest: 0 \}\n$/],
  precision: [/^(?:bf16|fp32) \w+/, /^int8$/m],
  'production-checklist': [/^\[ 'Mars is the Red Planet\.', /, /^0 0 0 \d/m, /^http:\/\/127\.0\.0\.1:\d+$/m],
};

interface Table {
  header: string[];
  rows: string[][];
}

interface Page {
  name: string;
  text: string;
  /** Blocks of code with what stands behind the fence, such as `sh run`. */
  blocks: { info: string; code: string }[];
  tables: Table[];
  /** All but blocks and tables. */
  prose: string;
}

const pages = readdirSync(FOLDER).map(readPage);

function readPage(file: string): Page {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  const blocks = [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)];
  const withoutBlocks = text.replace(/^```.*\n[\s\S]*?^```$/gm, '');
  const tables = [...withoutBlocks.matchAll(/(?:^\|.*\|\n)+/gm)].map(([table]) => {
    const lines = table.trim().split('\n');
    const [header = [], , ...rows] = lines.map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
    return { header, rows };
  });
  return {
    name: file.replace(/\.md$/, ''),
    text,
    blocks: blocks.map(([, info, code]) => ({ info: info as string, code: code as string })),
    tables,
    prose: withoutBlocks.replace(/^\|.*\|$/gm, ''),
  };
}

const blocksOf = ({ blocks }: Page, language: string) =>
  blocks.filter(({ info }) => info.split(' ')[0] === language);
const spansOf = (text: string) => [...text.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span as string);
/** Code in the columns whose header fits. */
const cellSpans = ({ tables }: Page, fits: (header: string) => boolean) =>
  tables.flatMap(({ header, rows }) =>
    rows.flatMap((cells) => cells.filter((_, column) => fits(header[column] as string)).flatMap(spansOf)),
  );

let served: ServedChild;
let url: string;
beforeAll(async () => {
  served = new ServedChild([]);
  url = await served.listening();
});
afterAll(() => served.stop());

/** A folder in which this package is installed, and the client that a guide uses. */
function installed(): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  symlinkSync(ROOT, join(folder, 'node_modules/crossrank'));
  symlinkSync(join(ROOT, 'node_modules/cohere-ai'), join(folder, 'node_modules/cohere-ai'));
  const command = `#!/bin/sh\nexec node '${CLI}' "$@"\n`;
  writeFileSync(join(folder, 'node_modules/.bin/crossrank'), command, { mode: 0o755 });
  return folder;
}

/** What a program prints; the server of the test is the one that clients call. */
function output(command: string, args: readonly string[], cwd: string): Promise<string> {
  const env = { ...process.env, RERANK_URL: url, TEI_URL: url, CROSSRANK_PROFILE: 'off' };
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd, env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stdout}${stderr}`));
    });
  });
}

test('there are pages, each with its title in the front matter and above the text', () => {
  expect(pages.map(({ name }) => name).sort()).toEqual(Object.keys(PRINTED).sort());
  for (const { text } of pages) {
    const [, title, heading] = /^---\ntitle: (.+)\n---\n\n# (.+)\n/.exec(text) ?? [];
    expect(title).toMatch(/./);
    expect(heading).toBe(title);
  }
});

test.each(pages)('programs of $name run, and print what it says', async (page) => {
  const folder = installed();
  const programs = blocksOf(page, 'js').map(({ code }, number) => {
    writeFileSync(join(folder, `${number}.mjs`), code);
    return `await import('./${number}.mjs');`;
  });
  expect(programs.length).toBeGreaterThan(0);
  writeFileSync(join(folder, 'all.mjs'), programs.join('\n'));
  const printed = await output(process.execPath, ['all.mjs'], folder);
  for (const expected of PRINTED[page.name] as RegExp[]) expect(printed).toMatch(expected);
});

const commands = pages.flatMap((page) =>
  blocksOf(page, 'sh').map(({ info, code }) => ({ page: page.name, info, code })),
);

test.each(commands.filter(({ info }) => info === 'sh run'))(
  'commands of $page run: $code',
  async ({ code }) => {
    expect(await output('bash', ['-ec', code], installed())).toMatch(/./);
  },
);

const helps = new Map<string, string>();
/** What `--help` of a command says; '' is crossrank's own. */
function help(command: string): string {
  const known = helps.get(command);
  if (known !== undefined) return known;
  const { stdout } = runCli(command === '' ? ['--help'] : [command, '--help']);
  helps.set(command, stdout);
  return stdout;
}

const COMMANDS = [...help('').matchAll(/^ {2}([a-z]+) {2}/gm)].map(([, name]) => name as string);
const flagsOf = (text: string) => [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([flag]) => flag);

test('every command that is named exists, with its flags', () => {
  const lines = commands.flatMap(({ code }) => code.replace(/\\\n/g, ' ').split('\n'));
  const spans = pages.flatMap(({ prose, tables }) => [
    ...spansOf(prose),
    ...tables.flatMap(({ header, rows }) => [header, ...rows].flat().flatMap(spansOf)),
  ]);
  const called = [...lines, ...spans].flatMap((text) => {
    const [, command, rest] = /^(?:[A-Z_]+=\S+ )*(?:npx )?crossrank +([a-z-]+)([^#]*)/.exec(text) ?? [];
    return command === undefined ? [] : [{ command, flags: flagsOf(rest as string) }];
  });
  expect(called.length).toBeGreaterThan(20);
  for (const { command, flags } of called) {
    expect(COMMANDS).toContain(command);
    expect(flagsOf(help(command))).toEqual(expect.arrayContaining(flags));
  }
});

/** Columns that tell of others. */
const OTHERS = [
  'sentence-transformers',
  'TEI',
  'Cohere',
  'Jina',
  "Cohere's meaning",
  'field',
  'model',
  'set',
];
const isOurs = (header: string) => !OTHERS.includes(header);

test('so does every flag that stands alone', () => {
  const flags = pages.flatMap((page) =>
    [...spansOf(page.prose), ...cellSpans(page, isOurs)]
      .filter((span) => span.startsWith('--'))
      .flatMap(flagsOf),
  );
  expect(flags.length).toBeGreaterThan(20);
  expect(COMMANDS.flatMap((command) => flagsOf(help(command)))).toEqual(expect.arrayContaining(flags));
});

/** Names that the types of the package declare: what it exports, members of that, and choices of options. */
function declaredNames(): Set<string> {
  const read = (file: string) => readFileSync(join(ROOT, 'dist/lib', file), 'utf8');
  const entries = ['index.d.ts', 'server/index.d.ts'].map(read).join('\n');
  const exported = [...entries.matchAll(/export (?:type )?\{([^}]*)\}/g)]
    .flatMap(([, list]) => (list as string).split(','))
    .map((name) =>
      name
        .trim()
        .replace(/^type /, '')
        .replace(/^.* as /, ''),
    );
  const names = new Set(exported);
  for (const file of readdirSync(join(ROOT, 'dist/lib'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.d.ts')) continue;
    // A declaration and the indented lines below it.
    const declarations = read(file).matchAll(
      /^export (?:declare )?(?:class|interface|const|type) (\w+)\b(.*\n(?:(?: .*)?\n)*)/gm,
    );
    for (const [, name, body] of declarations) {
      if (!names.has(name as string)) continue;
      for (const [, member] of (body as string).matchAll(/^ +(?:(?:static|readonly) )*(\w+)\??[:(<]/gm))
        names.add(member as string);
      for (const [, choice] of (body as string).matchAll(/'(\w+)'/g)) names.add(choice as string);
    }
  }
  return names;
}

test('every option and result that a table names is one of the types', () => {
  const declared = declaredNames();
  // Placeholders and variables of the environment are in capitals; paths, files and models have a slash, dot or hyphen.
  const isCode = (span: string) =>
    !/[A-Z]{3}|[/-]|\.(?:json|onnx|md)\b|_|^crossrank |^tracingChannel/.test(span);
  const named = pages
    .flatMap((page) => cellSpans(page, isOurs))
    .filter(isCode)
    .flatMap((span) => span.match(/[A-Za-z]\w+/g) ?? []);
  expect(named.length).toBeGreaterThan(100);
  const literals = ['true', 'false', 'none'];
  expect([...new Set(named)].filter((name) => !declared.has(name) && !literals.includes(name))).toEqual([]);
});

test('every error code, variable and script exists', () => {
  const all = pages.map(({ text }) => text).join('\n');
  const found = (pattern: RegExp) => [
    ...new Set([...all.matchAll(pattern)].map(([, name]) => name as string)),
  ];
  const errors = readFileSync(join(ROOT, 'dist/lib/errors.d.ts'), 'utf8');
  for (const code of found(/\b(ERR_[A-Z_]+)/g)) expect(errors).toContain(`'${code}'`);
  const sources = readdirSync(join(ROOT, 'dist/lib'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js'))
    .map((file) => readFileSync(join(ROOT, 'dist/lib', file), 'utf8'))
    .join('\n');
  for (const variable of found(/\b((?:CROSSRANK|HF)_[A-Z_]+)/g)) expect(sources).toContain(`env.${variable}`);
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(found(/npm run ([\w:]+)/g)));
});

test('every metric and every field of an API is one of the server', async () => {
  // Some are there from the first request on.
  const query = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"query":"a","texts":["b"]}',
  };
  expect((await fetch(`${url}/rerank`, query)).status).toBe(200);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const named = pages.flatMap(({ text }) => text.match(/\b(?:crossrank|process)_[a-z0-9_]+\w/g) ?? []);
  expect(named.length).toBeGreaterThan(5);
  for (const name of named) expect(metrics).toContain(`# TYPE ${name} `);

  const description = await (await fetch(`${url}/openapi.json`)).text();
  const fields = pages.flatMap((page) => cellSpans(page, (header) => header === 'field'));
  expect(fields.length).toBeGreaterThan(5);
  for (const field of fields.flatMap((each) => each.split('.'))) expect(description).toContain(`"${field}":`);
});

test('every link leads to a page, and to a heading of it', () => {
  const links = pages.flatMap(({ name, text }) =>
    [...text.matchAll(/\]\(([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(([, file, anchor]) => ({
      path: join(FOLDER, file || `${name}.md`),
      anchor,
    })),
  );
  expect(links.length).toBeGreaterThan(10);
  for (const { path, anchor } of links) {
    expect({ path, exists: existsSync(path) }).toEqual({ path, exists: true });
    if (anchor === undefined) continue;
    const headings = [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      (heading as string)
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .replace(/\s/g, '-'),
    );
    expect(headings).toContain(anchor);
  }
});
