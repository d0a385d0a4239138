// `npm start` and `npm run bench`: brings the checkout up to date, then runs the script that package.json names, with the
// user's arguments.

import { runMain, runVisibly } from './commands.mjs';
import { inRoot } from './files.mjs';
import { setup } from './setup.mjs';

const [script, ...args] = process.argv.slice(2);

await runMain(async () => {
  await setup();
  // Relative paths in the arguments are meant from where the user stands.
  const cwd = process.env.INIT_CWD ?? process.cwd();
  process.exitCode = runVisibly(process.execPath, [inRoot(script), ...args], { cwd });
});
