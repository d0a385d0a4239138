import type { DownloadProgress } from '../hub/options';
import { resolveModel } from '../hub/resolve';
import { formatBytes } from './bytes';
import type { Progress } from './progress';

/**
 * The folder of the MODEL of a command, downloaded where it is one of the hub: once, however often the command loads it.
 * @returns undefined for the embedded model
 */
export async function modelFolder(
  model: string | undefined,
  progress: Progress,
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (model === undefined) return undefined;
  const folder = await resolveModel(model, { onProgress: downloadBar(progress), ...(signal && { signal }) });
  progress.clear();
  return folder;
}

export function downloadBar(progress: Progress): (state: DownloadProgress) => void {
  return ({ bytes, totalBytes }) =>
    progress.show(`${formatBytes(bytes)} of ${formatBytes(totalBytes)}`, bytes / totalBytes);
}
