// The OpenAPI document is valid, and true: schemathesis sends what it allows and what it forbids, and looks at each answer.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ROOT, temporaryFolder } from './support/models';
import { PYTHON, pythonPackage } from './support/python-package';
import { MODELS, ServedChild } from './support/server';

jest.setTimeout(300_000); // installs both tools the first time

const SCHEMATHESIS = join(ROOT, 'test/support/schemathesis');
const KEY = 'secret';
/** One seed, so that a failure comes again; each case that fails is printed with it. */
const SEED = '1';
/** Cases an operation that are drawn beside those of the coverage phase. */
const EXAMPLES = '20';

let served: ServedChild;
let url: string;
beforeAll(async () => {
  const [model, embedder] = [...MODELS.models, ...MODELS.embedders] as [string, string];
  const models = ['--model', model, '--embedder', embedder, '--log-level', 'silent'];
  // Few documents at most: lists beyond the limit stay small.
  served = new ServedChild([...models, '--max-documents', '20'], { CROSSRANK_API_KEYS: KEY });
  url = await served.listening();
});
afterAll(() => served.stop());

/** Runs a module of a package of PyPI; the server goes on meanwhile. */
async function runPython(
  name: string,
  version: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
) {
  const found = pythonPackage(name, version, { dependencies: true });
  if ('reason' in found) throw new Error(found.reason);
  const child = spawn(PYTHON, ['-m', ...args], {
    cwd: temporaryFolder(), // whatever it leaves
    env: { ...process.env, PYTHONPATH: found.folder, PYTHONDONTWRITEBYTECODE: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await ended, output: stdout + stderr };
}

async function readDocument(): Promise<{ paths: Record<string, Record<string, unknown>> }> {
  return (await fetch(`${url}/openapi.json`)).json() as never;
}

test('the document holds to the specification', async () => {
  const document = await readDocument();
  const file = join(temporaryFolder(), 'openapi.json');
  const validate = async (content: unknown) => {
    writeFileSync(file, JSON.stringify(content));
    return runPython('openapi-spec-validator', '0.9.0', ['openapi_spec_validator', file]);
  };
  expect(await validate(document)).toMatchObject({ status: 0, output: expect.stringContaining('OK') });
  expect(await validate({ ...document, info: { title: 'no version' } })).toMatchObject({ status: 1 });
});

test('schemathesis finds nothing', async () => {
  const { paths } = await readDocument();
  const { '/openapi.json': _document, ...others } = paths; // schemathesis has read that before it begins
  const operations = Object.values(others).flatMap((path) =>
    Object.keys(path).filter((method) => /^(get|post|put|delete|patch|head|options)$/.test(method)),
  );
  const { status, output } = await runPython(
    'schemathesis',
    '4.32.5',
    [
      ...['schemathesis.cli', '--config-file', join(SCHEMATHESIS, 'schemathesis.toml')],
      ...['run', `${url}/openapi.json`, '-H', `Authorization: Bearer ${KEY}`, '--no-color'],
      ...['--checks', 'all', '--seed', SEED, '-n', EXAMPLES, '--continue-on-failure'],
      ...['--generation-database', 'none'],
    ],
    { SCHEMATHESIS_HOOKS: join(SCHEMATHESIS, 'hooks.py') },
  );
  if (status !== 0) throw new Error(output);
  expect(operations.length).toBeGreaterThan(15);
  expect(/Tested: (\d+)/.exec(output)?.[1]).toBe(`${operations.length}`);
  expect(output).toMatch(/^ +[\d,]+ generated, [\d,]+ passed/m);
});
