// A step of a build: skipped when the hash of what it reads has not changed. Its stamp is written last, and results are
// renamed into place: a step that fails, or is interrupted, leaves nothing that a later run would take for whole.

import fs from 'node:fs';
import { readStamp, writeAtomically } from './files.mjs';

/** One step: `sources` and `facts` it depends on, the stamp that remembers them, and the work itself. */
export async function step({ title, stamp, current, exists, work }) {
  if (readStamp(stamp) === current && exists.every((file) => fs.existsSync(file))) return;
  const started = Date.now();
  console.log(`crossrank: ${title} ...`);
  fs.rmSync(stamp, { force: true });
  await work();
  writeAtomically(stamp, current);
  console.log(`crossrank: ${title}: done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}
