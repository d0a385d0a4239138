// `npm run test:sanitize [address|thread]`: the native tests built with sanitizers, by default first with
// AddressSanitizer and UndefinedBehaviorSanitizer, then with ThreadSanitizer. Each build is kept in build/sanitize-*.

import { runMain, StepError } from './commands.mjs';
import { inRoot } from './files.mjs';
import { buildSanitized } from './native-build.mjs';
import { nativeTestNames, runNativeTest } from './native-tests.mjs';
import { setup } from './setup.mjs';

const SANITIZERS = {
  address: {
    flags: 'address,undefined',
    env: {
      ASAN_OPTIONS: 'detect_stack_use_after_return=1:strict_string_checks=1',
      UBSAN_OPTIONS: 'print_stacktrace=1',
    },
    skips: () => false,
  },
  thread: {
    flags: 'thread',
    env: {
      TSAN_OPTIONS: `halt_on_error=1:suppressions=${inRoot('test', 'native', 'thread_sanitizer.supp')}`,
    },
    // One thread each, and minutes long under ThreadSanitizer.
    skips: (name) => /^(amx|attention|linear|kernels|golden_tokens|tokenizer_reference)_/.test(name),
  },
};

await runMain(async () => {
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(SANITIZERS);
  const unknown = wanted.find((name) => !(name in SANITIZERS));
  if (unknown !== undefined) throw new StepError(`there is no sanitizer ${unknown}; use address or thread`);
  await setup();
  const sum = { passed: 0, failed: 0 };
  for (const name of wanted) {
    const { flags, env, skips } = SANITIZERS[name];
    console.log(`crossrank: building the native tests with -fsanitize=${flags} ...`);
    const folder = await buildSanitized(name, flags);
    for (const test of nativeTestNames().filter((each) => !skips(each))) {
      const { passed, failed } = runNativeTest(folder, test, env);
      sum.passed += passed;
      sum.failed += failed;
    }
  }
  console.log(`${sum.passed} passed, ${sum.failed} failed`);
  if (sum.failed > 0) process.exitCode = 1;
});
