import { type LocalModel, localModels } from '../hub/cached-models';
import { hubCacheFolder } from '../hub/settings';
import { formatBytes } from './bytes';
import { readValues } from './command-line';
import { formatTable } from './table';

const OPTIONS = { json: { type: 'boolean' } } as const;

export const help = `crossrank models     the models on this machine, and whether this version runs them

Lists what comes with the package and what is in the Hugging Face cache, whoever downloaded it.

  --json                     as JSON, with folders, and why a model does not run

Environment: HF_HOME or HF_HUB_CACHE say where the cache is.`;

export async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, OPTIONS);
  const cacheFolder = hubCacheFolder(undefined);
  const models = await localModels(cacheFolder);
  console.log(values.json === undefined ? describe(models, cacheFolder) : JSON.stringify(models));
  return 0;
}

function describe(models: readonly LocalModel[], cacheFolder: string): string {
  const total = models.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    formatTable(['model', 'revision', 'size', 'task', 'runs'], models.map(rowOf)),
    '',
    `${models.length} models, ${formatBytes(total)}; the cache is ${cacheFolder}`,
  ].join('\n');
}

function rowOf({ id, commit, refs, bytes, task, runs, reason }: LocalModel): string[] {
  const revision = commit === null ? 'in the package' : [...refs, commit.slice(0, 8)].join(' ');
  return [id, revision, formatBytes(bytes), task, runs ? 'yes' : `no: ${short(reason ?? '')}`];
}

/** Up to where messages begin to say what to do: --json has all. */
function short(reason: string): string {
  return (reason.split(/; |\. /)[0] as string).slice(0, 100);
}
