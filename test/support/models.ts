import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The repository: this file runs as dist/test/support/models.js. */
export const ROOT = resolve(__dirname, '../../..');
export const FIXTURES = join(ROOT, 'test/fixtures');
export const DEFAULT_MODEL = join(ROOT, 'models/crossrank-mini');

/** Fixtures this version runs; each is a tiny random model with reference outputs of transformers in float64. */
export const ARCHITECTURES = ['bert', 'electra', 'distilbert', 'roberta', 'xlm-roberta'] as const;

export interface GoldenCase {
  query: string;
  document: string;
  max_length: number;
  input_ids: number[];
  token_type_ids?: number[];
  logits: number[];
}

export function fixture(name: string): string {
  return join(FIXTURES, name);
}

export function golden(folder: string): GoldenCase[] {
  return JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')).cases;
}

const scratch: string[] = [];

/** A folder that is gone after the tests of this file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'crossrank-test-'));
  scratch.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of scratch.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A copy of a fixture that a test may break. */
export function copyOf(name: string): string {
  const folder = temporaryFolder();
  cpSync(fixture(name), folder, { recursive: true });
  return folder;
}

export function editJson(folder: string, file: string, edit: (json: Record<string, unknown>) => void): void {
  const path = join(folder, file);
  const json = JSON.parse(readFileSync(path, 'utf8'));
  edit(json);
  writeFileSync(path, JSON.stringify(json));
}
