// `npm run docs`: the documentation site, from the comments of the public API, the README and docs/guides/, in build/docs.
// Arguments go to typedoc. What typedoc warns of fails the build.

import { installLocked, runMain, runVisibly } from './commands.mjs';
import { hashSources, inRoot } from './files.mjs';
import { setup } from './setup.mjs';
import { step } from './step.mjs';

const folder = inRoot('docs');

await runMain(async () => {
  await setup();
  await step({
    title: 'installing typedoc',
    stamp: inRoot('docs', 'node_modules', '.crossrank-stamp'),
    current: hashSources(['docs/package-lock.json', 'docs/.npmrc']),
    exists: [inRoot('docs', 'node_modules', '.package-lock.json')],
    work: () => installLocked(folder),
  });
  const typedoc = inRoot('docs', 'node_modules', 'typedoc', 'bin', 'typedoc');
  process.exitCode = runVisibly(process.execPath, [typedoc, ...process.argv.slice(2)], { cwd: folder });
});
