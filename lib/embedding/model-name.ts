import { basename, dirname } from 'node:path';

/**
 * What people call the model in a folder: the folder's name; in a Hugging Face cache, where folders are named after
 * commits (`models--BAAI--bge-small-en-v1.5/snapshots/5c38ec7...`), the repository's.
 */
export function modelName(folder: string): string {
  const snapshots = dirname(folder);
  const repository = basename(dirname(snapshots));
  if (basename(snapshots) === 'snapshots' && repository.startsWith('models--')) {
    return repository.split('--').at(-1) as string;
  }
  return basename(folder);
}
