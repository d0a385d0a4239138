// The documentation site, built as `npm run docs` builds it.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runScript } from './support/bench';
import { ROOT, temporaryFolder } from './support/models';

const site = temporaryFolder();

const pages = () =>
  readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'));
const read = (name: string) => readFileSync(join(site, name), 'utf8');

beforeAll(async () => {
  const { status, stdout, stderr } = await runScript(join(ROOT, 'scripts/docs.mjs'), ['--out', site]);
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
});

test('has a module for each entry point, as it is imported', () => {
  const { exports: entries } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const modules = Object.keys(entries)
    .filter((name) => name !== './package.json')
    .map((name) => `crossrank${name.slice('.'.length)}`);
  const files = readdirSync(join(site, 'modules')).sort();
  expect(files).toEqual(modules.map((name) => `${name.replace('/', '_')}.html`).sort());
  for (const name of modules)
    expect(read(`modules/${name.replace('/', '_')}.html`)).toContain(`Module ${name}<`);
});

test('has every guide', () => {
  const guides = readdirSync(join(ROOT, 'docs/guides')).map((name) => name.replace(/\.md$/, ''));
  expect(guides.length).toBeGreaterThan(0);
  const documents = readdirSync(join(site, 'documents')).map((name) => name.replace(/\.html$/, ''));
  expect(documents.length).toBe(guides.length);
  for (const name of guides) {
    const [, title] =
      /^title: *(.+)$/m.exec(readFileSync(join(ROOT, 'docs/guides', `${name}.md`), 'utf8')) ?? [];
    expect(documents.map((document) => read(`documents/${document}.html`)).join('')).toContain(`>${title}</`);
  }
});

test('asks no other host for anything', () => {
  expect(pages().length).toBeGreaterThan(100);
  const elsewhere = pages().flatMap((name) => [
    ...read(name).matchAll(
      /<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)="(?:https?:)?\/\/[^"]*"/g,
    ),
  ]);
  expect(elsewhere.map(([element]) => element)).toEqual([]);
  const styles = readdirSync(join(site, 'assets')).filter((name) => name.endsWith('.css'));
  for (const name of styles) expect(read(`assets/${name}`)).not.toMatch(/@import|url\(["']?(?:https?:)?\/\//);
});

test('what an integration says of the main entry is linked to it', () => {
  expect(read('functions/crossrank_ai-sdk.rerankingModel.html')).toContain(
    'classes/crossrank.CrossrankError.html',
  );
});
