// `npm run bench`: brings the checkout up to date, then measures latency and throughput. Arguments go to the bench.

import { runMain, runVisibly } from './commands.mjs';
import { inRoot } from './files.mjs';
import { setup } from './setup.mjs';

await runMain(async () => {
  await setup();
  const args = [inRoot('dist', 'bench', 'latency.js'), ...process.argv.slice(2)];
  // Relative paths in the arguments are meant from where the user stands.
  process.exitCode = runVisibly(process.execPath, args, { cwd: process.env.INIT_CWD ?? process.cwd() });
});
