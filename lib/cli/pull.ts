import { CrossrankError } from '../errors';
import { fetchModel } from '../hub/fetch-model';
import { requireModelId } from '../hub/model-id';
import { revisionOf } from '../hub/resolve';
import { readSettings } from '../hub/settings';
import { formatBytes } from './bytes';
import { readValues, UsageError } from './command-line';
import { untilInterrupted } from './interrupt';
import { downloadBar } from './model-folder';
import { Progress } from './progress';

const OPTIONS = {
  include: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const;

export const help = `crossrank pull ID[@REVISION]     downloads a model into the Hugging Face cache

ID is ORGANISATION/NAME, such as BAAI/bge-reranker-base; REVISION a branch, a tag or a commit (default main).
Fetched is what a load reads: config, tokenizer, safetensors or the best .onnx. What is here already is not
fetched again, and a download that was interrupted goes on where it stopped.

  --include PATTERN          further files, such as README.md or "onnx/*"; may come more than once
  --json                     folder, commit, files and bytes as JSON

Environment: HF_ENDPOINT (a mirror), HF_TOKEN, HF_HOME or HF_HUB_CACHE, HTTPS_PROXY and NO_PROXY.`;

export async function run(args: readonly string[]): Promise<number> {
  const positionals: string[] = [];
  const values = readValues(args, OPTIONS, positionals);
  const id = requireModelId(readOne(positionals));
  const revision = revisionOf(id, undefined);
  const settings = await readSettings({});
  if (settings.offline) {
    throw new CrossrankError('ERR_DOWNLOAD', 'HF_HUB_OFFLINE is set, and pull asks the hub; unset it');
  }
  const include = values.include?.map(patternOf);
  return untilInterrupted(async (signal) => {
    const progress = new Progress();
    try {
      const { folder, commit, files, fetchedBytes } = await fetchModel(id.repository, revision, settings, {
        signal,
        include: include && ((name) => include.some((pattern) => pattern.test(name))),
        onProgress: downloadBar(progress),
      });
      progress.clear();
      const report = { id: id.repository, revision, commit, folder, files, fetchedBytes };
      console.log(values.json === undefined ? describe(report) : JSON.stringify(report));
      return 0;
    } finally {
      progress.clear();
    }
  }, 'interrupted: what has come is kept, and the same command goes on with it');
}

/** The one ID that a command is for. */
export function readOne([id, ...more]: readonly string[]): string {
  if (id !== undefined && more.length === 0) return id;
  throw new UsageError(
    `expected one ID, such as BAAI/bge-reranker-base, but received ${id ? more.length + 1 : 'none'}`,
  );
}

interface Report {
  id: string;
  commit: string;
  folder: string;
  files: string[];
  fetchedBytes: number;
}

function describe({ id, commit, folder, files, fetchedBytes }: Report): string {
  const fetched = fetchedBytes === 0 ? 'all of it was here' : `${formatBytes(fetchedBytes)} fetched`;
  return `${id}@${commit.slice(0, 8)}  ${files.length} files, ${fetched}\n${folder}`;
}

/** `*` is anything, slashes included: `onnx/*` is all that is in that folder. */
function patternOf(glob: string): RegExp {
  const parts = glob.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}
