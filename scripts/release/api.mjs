// What users can write against: a report of every entry point by API Extractor, committed in api/. The reports are the
// surface that was agreed last; a difference is shown, and accepted by `npm run release:api`.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { compareVersions } from './changelog.mjs';
import { readManifest, typedEntries } from './pack.mjs';

const packageRequire = createRequire(import.meta.url);

/** Names that a public type leans on without being exported, and why that is right. */
const NOT_EXPORTED = {
  RANK_OPTIONS: 'a list of names, whose types RankOptions picks',
  RANKING_OPTIONS: 'a list of names, whose types RankingOptions picks',
  EMBEDDING_OPTIONS: 'a list of names, whose types EmbeddingOptions picks',
  METADATA_MODES: 'a list of names, whose types metadataMode is',
  API_NAMES: 'a list of names, whose types ApiName is',
  CheckedStore: 'what the stores share; users name VectorStore',
  StoreBackend: 'of a constructor that users do not call',
  FilterDialect: 'of StoreBackend',
  FieldTest: 'of StoreBackend',
  ChromaWhere: "a filter in Chroma's words; users write Filter",
  QdrantCondition: "a filter in Qdrant's words; users write Filter",
};

const COMPILER_OPTIONS = {
  target: 'es2022',
  lib: ['es2022', 'esnext.disposable'],
  module: 'node16',
  moduleResolution: 'node16',
  types: ['node'],
  strict: true,
  skipLibCheck: true,
};

const NONE = { logLevel: 'none', addToApiReportFile: false };
const MESSAGES = {
  compilerMessageReporting: { default: { logLevel: 'warning' } },
  extractorMessageReporting: {
    default: { logLevel: 'warning' },
    // Everything exported is public; what is not is @internal.
    'ae-missing-release-tag': NONE,
    // A name that says all, such as `url`, has no comment.
    'ae-undocumented': NONE,
    // It looks for links in the entry point alone; those between entry points are right.
    'ae-unresolved-link': NONE,
  },
  tsdocMessageReporting: { default: { logLevel: 'warning' } },
};

/** `./ai-sdk` -> `ai-sdk.api.md` */
const reportName = (entry, name) => `${entry === '.' ? name : entry.slice(2)}.api.md`;

/** Reports of every entry point of the package at `root`, by file name, and what API Extractor warns of. */
export function readSurface(root) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'crossrank-api-'));
  try {
    const manifest = readManifest(root);
    const reports = new Map();
    const warnings = [];
    let ofMain = new Set();
    for (const [entry, types] of Object.entries(typedEntries(manifest))) {
      const extracted = extract(root, types, folder);
      const { report, names } = reachable(extracted.report, ofMain);
      reports.set(reportName(entry, manifest.name), report);
      const isRight = ({ name }) => name && (name in NOT_EXPORTED || !names.has(name));
      warnings.push(...extracted.warnings.filter((warning) => !isRight(warning)).map(({ text }) => text));
      if (entry === '.') ofMain = exportedNames(report);
    }
    return { reports, warnings };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The report of one entry point, without what is marked as internal. */
function extract(root, types, folder) {
  const { Extractor, ExtractorConfig } = packageRequire('@microsoft/api-extractor');
  const file = path.join(root, types);
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: path.join(root, 'package.json'),
    configObjectFullPath: undefined,
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: file,
      compiler: { overrideTsconfig: { compilerOptions: COMPILER_OPTIONS, files: [file] } },
      apiReport: {
        enabled: true,
        reportFileName: 'entry',
        reportVariants: ['public'],
        reportFolder: folder,
        reportTempFolder: path.join(folder, 'temporary'),
        // What a type leans on is part of the surface, exported or not.
        includeForgottenExports: true,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: MESSAGES,
    },
  });
  const warnings = [];
  Extractor.invoke(config, {
    localBuild: true,
    messageCallback(message) {
      message.handled = true;
      if (!['warning', 'error'].includes(message.logLevel) || message.messageId.startsWith('console-'))
        return;
      const { messageId, text, sourceFilePath = '', sourceFileLine } = message;
      const place = sourceFilePath && ` (${path.relative(root, sourceFilePath)}:${sourceFileLine})`;
      const [, name] = /^The symbol "(\w+)" needs to be exported/.exec(text) ?? [];
      warnings.push({ name, text: `${messageId}: ${text}${place}` });
    },
  });
  return { report: fs.readFileSync(path.join(folder, 'entry.public.api.md'), 'utf8'), warnings };
}

const DECLARATION =
  /^(export )?(?:declare )?(?:abstract )?(?:class|interface|type|function|const|enum) (\w+)/m;

function exportedNames(report) {
  const declared = [...report.matchAll(new RegExp(DECLARATION, 'gm'))];
  return new Set(declared.filter(([, isExported]) => isExported).map(([, , name]) => name));
}

/**
 * Of a report, what is exported and what that leans on. API Extractor also lists what only internal members lean on, and
 * with every entry point what the main one exports (`elsewhere`).
 * @returns the report, and the names that it declares
 */
function reachable(report, elsewhere) {
  const blocks = report.split('\n\n').map((text) => {
    const [, isExported, name] = DECLARATION.exec(text) ?? [];
    return {
      text,
      name,
      words: new Set(text.match(/\w+/g)),
      isKept: Boolean(isExported) || name === undefined,
    };
  });
  const byName = new Map(blocks.filter(({ name }) => name).map((block) => [block.name, block]));
  const waiting = blocks.filter(({ isKept, name }) => isKept && name);
  for (let block = waiting.pop(); block; block = waiting.pop()) {
    for (const word of block.words) {
      const used = byName.get(word);
      if (!used || used.isKept || elsewhere.has(word)) continue;
      used.isKept = true;
      waiting.push(used);
    }
  }
  const kept = blocks.filter(({ isKept }) => isKept);
  const names = new Set(kept.flatMap(({ name }) => name ?? []));
  const words = new Set(kept.flatMap((block) => (block.name ? [...block.words] : [])));
  const isUsed = (line) => {
    const [, imported] = /^import (?:type )?(?:\{ (?:\w+ as )?|\* as )?(\w+)/.exec(line) ?? [];
    return imported === undefined || words.has(imported);
  };
  const texts = kept.map(({ text }) => text.split('\n').filter(isUsed).join('\n'));
  return { report: texts.filter((text) => text !== '').join('\n\n'), names };
}

/**
 * @param root - The folder of package.json and of the compiled types it names
 * @param accepted - The folder of the reports that were agreed on, `api/`
 */
export function checkApi({ root, accepted }) {
  const { reports, warnings } = readSurface(root);
  const kept = fs.existsSync(accepted)
    ? fs.readdirSync(accepted).filter((name) => name.endsWith('.api.md'))
    : [];
  const gone = kept.filter((name) => !reports.has(name));
  const problems = [
    ...warnings,
    ...gone.map(
      (name) => `api/${name} is of an entry point that is gone; to accept that: npm run release:api`,
    ),
  ];
  for (const [name, report] of reports) {
    const diff = difference(path.join(accepted, name), report);
    if (diff)
      problems.push(`api/${name} is not the surface of now; to accept it: npm run release:api\n${diff}`);
  }
  problems.push(...brokenPromises(root, reports));
  return { problems, facts: `${reports.size} entry points` };
}

/** Lines that differ, as `git diff` shows them; nothing where none do. */
function difference(file, report) {
  const before = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  if (before === report) return undefined;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'crossrank-api-'));
  try {
    fs.writeFileSync(path.join(folder, 'accepted'), before);
    fs.writeFileSync(path.join(folder, 'now'), report);
    const args = ['diff', '--no-index', '--no-color', '--unified=1', 'accepted', 'now'];
    const { stdout } = spawnSync('git', args, { cwd: folder, encoding: 'utf8' });
    return stdout.slice(stdout.indexOf('@@')).trimEnd();
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Lines that the release before had and this one has not need a version that says so (Semantic Versioning, 4 and 8). */
function brokenPromises(root, reports) {
  const { version } = readManifest(root);
  const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  const releases = (git('tag', '--list', 'v*').stdout ?? '')
    .split('\n')
    .filter((tag) => /^v\d+\.\d+\.\d+$/.test(tag) && compareVersions(tag.slice(1), version) < 0)
    .sort((a, b) => compareVersions(b.slice(1), a.slice(1)));
  const [last] = releases;
  if (last === undefined || isBreaking(last.slice(1), version)) return [];
  return [...reports].flatMap(([name, report]) => {
    const { status, stdout } = git('show', `${last}:api/${name}`);
    const now = new Set(codeLines(report));
    const lost = status === 0 ? codeLines(stdout).filter((line) => !now.has(line)) : [];
    if (lost.length === 0) return [];
    return [`${name} lost since ${last}, so ${version} is too small a step:\n  ${lost.join('\n  ')}`];
  });
}

/** Before 1.0 the second number says that something broke. */
function isBreaking(from, to) {
  const [a, b] = [from, to].map((version) => version.split('.'));
  return a[0] !== b[0] || (a[0] === '0' && a[1] !== b[1]);
}

const codeLines = (report) =>
  report
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('//'));

/** Makes the surface of now the accepted one. */
export function acceptApi({ root, accepted }) {
  const { reports, warnings } = readSurface(root);
  fs.rmSync(accepted, { recursive: true, force: true });
  fs.mkdirSync(accepted, { recursive: true });
  for (const [name, report] of reports) fs.writeFileSync(path.join(accepted, name), report);
  return { names: [...reports.keys()], warnings };
}
