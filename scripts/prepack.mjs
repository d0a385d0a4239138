// Runs before `npm pack`: the tarball needs compiled TypeScript, and headers for those who build from source.

import fs from 'node:fs';
import { runMain, StepError } from './commands.mjs';
import { inRoot } from './files.mjs';
import { vendoredHeaders, vendorHeaders } from './onnxruntime.mjs';
import { setup } from './setup.mjs';

await runMain(async () => {
  await setup();
  vendorHeaders();
  if (!fs.existsSync(vendoredHeaders)) {
    throw new StepError('the tarball must carry ONNX Runtime headers: unset ONNXRUNTIME_ROOT and pack again');
  }
  if (!fs.existsSync(inRoot('prebuilds'))) {
    console.error(
      'crossrank: packing without prebuilds/: whoever installs it must build (npm run prebuild first)',
    );
  }
});
