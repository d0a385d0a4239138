import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import type { TextSet } from '../texts';
import type { ModelFiles } from './contenders';
import { convertCommand, isInstalled, PEERS_FOLDER, requirementsHash, run } from './environment';

type Kind = Exclude<ModelFiles, 'source'> | 'reference';

/** Kinds that depend on texts: what calibrates int8, what the reference scores. */
const WITH_TEXTS: readonly Kind[] = ['openvino-int8', 'reference'];

/** Folder of the files that one version of a model needs, under build/peers. */
export function cacheOf(source: string): string {
  const hash = createHash('sha256').update(requirementsHash());
  for (const name of readdirSync(source).sort()) {
    const { size, mtimeMs } = statSync(join(source, name));
    hash.update(`${name} ${size} ${mtimeMs}\n`);
  }
  return join(PEERS_FOLDER, 'models', `${basename(source)}-${hash.digest('hex').slice(0, 12)}`);
}

/** A model's files as each peer wants them, converted once by the peers' own tools and kept for the next run. */
export class PreparedModel {
  readonly #source: string;
  readonly #texts: readonly TextSet[];
  readonly #say: (line: string) => void;

  /** `source` is a folder that transformers reads; `say` hears of conversions, which take minutes where models are large. */
  constructor(source: string, texts: readonly TextSet[], say: (line: string) => void) {
    this.#source = source;
    this.#texts = texts;
    this.#say = say;
  }

  /** @throws Error with the tool's own last line */
  async folder(files: ModelFiles): Promise<string> {
    return files === 'source' ? this.#source : this.#converted(files);
  }

  /** Logits of the first query's documents in float64, or undefined where torch is not installed. */
  async reference(): Promise<number[] | undefined> {
    if (!isInstalled('python')) return undefined;
    const folder = await this.#converted('reference');
    return JSON.parse(readFileSync(join(folder, 'logits.json'), 'utf8'));
  }

  async #converted(kind: Kind): Promise<string> {
    const texts = JSON.stringify(this.#texts);
    const hash = createHash('sha256').update(texts).digest('hex').slice(0, 12);
    const cache = cacheOf(this.#source);
    const target = join(cache, WITH_TEXTS.includes(kind) ? `${kind}-${hash}` : kind);
    if (existsSync(target)) return target;
    mkdirSync(cache, { recursive: true });
    const textsFile = join(cache, `texts-${hash}.json`);
    writeFileSync(textsFile, texts);
    this.#say(`${basename(this.#source)}: ${kind}, once for this model and these texts ...`);
    const partial = `${target}.partial-${process.pid}`;
    try {
      await run(convertCommand(kind, this.#source, partial, textsFile));
      renameSync(partial, target);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
    return target;
  }
}
