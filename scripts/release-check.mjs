// `npm run release:check`: whether what lies here can be released; each check says what to do. Exit code 1 where one fails.
//   --built-here       look at this platform's addon alone, and let it need this system's C library
//   --platforms A,B    those that must be in prebuilds/, instead of all
//   --only A,B         some of the checks: prebuilds, tarball, installed, licences, changelog, api, types

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
const CHECKS = ['prebuilds', 'tarball', 'installed', 'licences', 'changelog', 'api', 'types'];

function readArguments() {
  const { values } = parseArgs({
    options: {
      'built-here': { type: 'boolean', default: false },
      platforms: { type: 'string' },
      only: { type: 'string' },
    },
  });
  const builtHere = values['built-here'];
  return {
    builtHere,
    platforms: builtHere ? [here] : namesIn(values.platforms, PLATFORMS),
    checks: namesIn(values.only, CHECKS),
  };
}

/** The names in a list with commas, in the order of `known`; all of them where there is no list. */
function namesIn(list, known) {
  const names = list?.split(',') ?? known;
  const strange = names.filter((name) => !known.includes(name));
  if (strange.length > 0) throw new StepError(`${strange.join(', ')}: known are ${known.join(', ')}`);
  return known.filter((name) => names.includes(name));
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
  else
    console.log(
      `FAIL ${title}:\n${problems.map((text) => `  - ${text.replaceAll('\n', '\n    ')}`).join('\n')}`,
    );
  return problems.length === 0;
}

await runMain(async () => {
  const { platforms, builtHere, checks } = readArguments();
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'crossrank-release-'));
  try {
    await runQuietly('prepack', process.execPath, [inRoot('scripts', 'prepack.mjs')]);
    const packed = pack(root, temporary);
    const { tarball, files } = packed;
    const app = path.join(temporary, 'app');
    fs.mkdirSync(app);
    const manifest = readManifest(root);
    const run = {
      prebuilds: () => checkPrebuilds({ prebuilds: inRoot('prebuilds'), platforms, builtHere }),
      tarball: () => checkTarball({ root, packed, platforms }),
      installed: () => checkInstalled({ app, tarball, manifest, ranks: platforms.includes(here) }),
      licences: () => checkLicences({ root, platforms, files }),
      changelog: () => checkChangelog({ root }),
      api: () => checkApi({ root, accepted: inRoot('api') }),
      types: () => checkTypes({ tarball }),
    };
    let failed = 0;
    for (const check of checks) if (!(await report(check, run[check]))) failed++;
    const all = !builtHere && platforms.length === PLATFORMS.length && checks.length === CHECKS.length;
    if (failed > 0) process.exitCode = 1;
    if (failed > 0) console.log(`${failed} of ${checks.length} checks failed`);
    else if (all) console.log(`crossrank ${manifest.version} can be released`);
    else
      console.log(`${checks.length} checks passed; a release needs all of them for ${PLATFORMS.join(', ')}`);
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true });
  }
});
