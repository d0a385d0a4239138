// `npm run release:check`: whether what lies here can be released; each check says what to do. Exit code 1 where one fails.
//   --built-here       look at this platform's addon alone, and let it need this system's C library
//   --platforms A,B    those that must be in prebuilds/, instead of all

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { runMain, runQuietly, StepError } from './commands.mjs';
import { inRoot, root } from './files.mjs';
import { checkApi } from './release/api.mjs';
import { checkChangelog } from './release/changelog.mjs';
import { checkLicences } from './release/licences.mjs';
import { pack, readManifest } from './release/pack.mjs';
import { checkPrebuilds } from './release/prebuilds.mjs';
import { PLATFORMS } from './release/rules.mjs';
import { checkInstalled, checkTarball } from './release/tarball.mjs';
import { checkTypes } from './release/types.mjs';

const here = `${process.platform}-${process.arch}`;

function readPlatforms() {
  const { values } = parseArgs({
    options: { 'built-here': { type: 'boolean', default: false }, platforms: { type: 'string' } },
  });
  const builtHere = values['built-here'];
  const named = builtHere ? [here] : (values.platforms?.split(',') ?? PLATFORMS);
  const unknown = named.filter((name) => !PLATFORMS.includes(name));
  if (unknown.length > 0) {
    throw new StepError(`${unknown.join(', ')}: releases are for ${PLATFORMS.join(', ')}`);
  }
  return { platforms: [...named].sort(), builtHere };
}

/** Runs one check and prints what it found; a step that cannot be done is a problem too. */
async function report(title, check) {
  let outcome;
  try {
    outcome = await check();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    outcome = { problems: [`${error.message}\n${error.log ?? ''}`.trimEnd()] };
  }
  const { problems, facts } = outcome;
  if (problems.length === 0) console.log(`PASS ${title}: ${facts}`);
  else console.log(`FAIL ${title}:\n${problems.map((text) => `  - ${text.replaceAll('\n', '\n    ')}`).join('\n')}`);
  return problems.length === 0;
}

await runMain(async () => {
  const { platforms, builtHere } = readPlatforms();
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'crossrank-release-'));
  try {
    await runQuietly('prepack', process.execPath, [inRoot('scripts', 'prepack.mjs')]);
    const packed = pack(root, temporary);
    const { tarball, files } = packed;
    const app = path.join(temporary, 'app');
    fs.mkdirSync(app);
    const manifest = readManifest(root);
    const ranks = platforms.includes(here);

    const results = [
      await report('prebuilds', () => checkPrebuilds({ prebuilds: inRoot('prebuilds'), platforms, builtHere })),
      await report('tarball', () => checkTarball({ root, packed, platforms })),
      await report('installed', () => checkInstalled({ app, tarball, manifest, ranks })),
      await report('licences', () => checkLicences({ root, platforms, files })),
      await report('changelog', () => checkChangelog({ root })),
      await report('API', () => checkApi({ root, accepted: inRoot('api') })),
      await report('types', () => checkTypes({ tarball })),
    ];
    const failed = results.filter((passed) => !passed).length;
    const scope = builtHere ? ' (this platform alone: a release needs all)' : '';
    console.log(failed === 0 ? `crossrank ${manifest.version} can be released${scope}` : `${failed} checks failed`);
    if (failed > 0) process.exitCode = 1;
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true });
  }
});
