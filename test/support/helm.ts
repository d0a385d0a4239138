import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ROOT } from './models';

export const CHART = join(ROOT, 'deploy/helm/crossrank');

/** A manifest, as far as tests look into it. */
export interface Manifest {
  kind: string;
  metadata: { name: string };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own fields; kubeconform knows them (check:deploy)
  [field: string]: any;
}

/** helm of this machine, or the one that `npm run check:deploy` has built: building it takes minutes. */
export function findHelm(): { helm: string } | { reason: string } {
  const folders = [...(process.env.PATH ?? '').split(delimiter), join(ROOT, 'build/deploy-tools/bin')];
  const helm = folders.map((folder) => join(folder, 'helm')).find((file) => existsSync(file));
  if (helm !== undefined) return { helm };
  return { reason: 'there is no helm here; npm run check:deploy builds it where Go is' };
}

/** @throws what helm says */
export function render(helm: string, args: readonly string[] = []): Manifest[] {
  const template = ['template', 'test', CHART, '--kube-version', '1.34.2', ...args];
  const { status, stdout, stderr } = spawnSync(helm, template, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return parseAllDocuments(stdout)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}
