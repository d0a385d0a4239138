import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the name of a file durable, which it is with its folder. Windows has no such call, and needs none. */
export async function syncFolderOf(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
