// `npm run release:api`: accepts the surface of now as that of the coming release, in api/.

import { runMain } from './commands.mjs';
import { inRoot, root } from './files.mjs';
import { acceptApi } from './release/api.mjs';
import { setup } from './setup.mjs';

await runMain(async () => {
  await setup();
  const { names, warnings } = acceptApi({ root, accepted: inRoot('api') });
  for (const name of names) console.log(`api/${name}`);
  for (const warning of warnings) console.error(warning);
  if (warnings.length > 0) process.exitCode = 1;
});
