import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from './support/models';

function run(file: string, content: string): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules/crossrank'), 'dir');
  writeFileSync(join(folder, file), content);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.trim();
}

const USE = `
const model = await Reranker.load();
const { results } = await model.rerank('Which planet is red?', ['Bread is made of flour.', 'Mars is the red planet.']);
await model.dispose();
const refused = await model.rerank('q', ['d']).catch((error) => error);
console.log(results[0].index, refused instanceof CrossrankError, refused.code);`;

test('import works', () => {
  expect(run('main.mjs', `import { CrossrankError, Reranker } from 'crossrank';${USE}`)).toBe(
    '1 true ERR_CLOSED',
  );
});

test('require works', () => {
  const body = `const { CrossrankError, Reranker } = require('crossrank'); (async () => {${USE}})();`;
  expect(run('main.cjs', body)).toBe('1 true ERR_CLOSED');
});
