import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LanceStore } from '../lib/search/stores/lance-store';
import { describeStoreContract } from './support/store-contract';

const ROOT = mkdtempSync(join(tmpdir(), 'crossrank-lance-'));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

let stores = 0;
const openLast = (space: { model: string; dimension: number }) =>
  LanceStore.open({ path: join(ROOT, `${stores}`), space });

describeStoreContract(
  'LanceStore',
  (space) => {
    stores++;
    return openLast(space);
  },
  { openAgain: openLast },
);
