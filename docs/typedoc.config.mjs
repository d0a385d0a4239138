// What the site is made of: an entry point of package.json is a module, in the words in which it is imported.

import { readFileSync } from 'node:fs';

const { exports: entries } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

const entryPoints = Object.values(entries)
  .map(({ types }) => types)
  .filter(Boolean)
  .map((types) => `..${types.slice('./dist'.length, -'.d.ts'.length)}.ts`);

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'crossrank',
  tsconfig: 'tsconfig.json',
  plugin: ['./modules.mjs'],
  entryPoints,
  readme: '../README.md',
  projectDocuments: ['guides/*.md'],
  out: '../build/docs',
  customCss: 'site.css',
  disableSources: true,
  hideGenerator: true,
  excludeInternal: true,
  excludePrivate: true,
  includeVersion: true,
  // Tables of which a type takes its keys; the type lists them.
  intentionallyNotExported: ['RANK_OPTIONS', 'EMBEDDING_OPTIONS', 'RANKING_OPTIONS', 'API_NAMES'],
  treatWarningsAsErrors: true,
};
