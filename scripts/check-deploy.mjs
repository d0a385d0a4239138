// `npm run check:deploy`: what helm, kubeconform, compose-go and hadolint say of deploy/. What could not be checked is
// told, with the reason; with --all it is a failure. Neither an image is built nor a cluster asked.

import { spawnSync } from 'node:child_process';
import { goProgram, hadolint, KUBERNETES_VERSION, kubernetesSchemas } from './deploy-tools.mjs';
import { inRoot, listFiles } from './files.mjs';
import { SCHEMA_NAMES } from './kubernetes-schemas.mjs';

const CHART = inRoot('deploy', 'helm', 'crossrank');

/** Values with which the chart is tried: its own, and those of ci/. */
const valueFiles = [
  undefined,
  ...listFiles('deploy/helm/crossrank/ci').filter((file) => file.endsWith('-values.yaml')),
];
const withValues = (file) => (file === undefined ? [] : ['--values', inRoot(file)]);
const named = (what, file) => `${what}, ${file === undefined ? 'default values' : file.split('/').pop()}`;

const failed = [];
const unchecked = [];

function report(title, { status, stdout, stderr, error }) {
  const isFine = status === 0;
  console.log(`${isFine ? 'ok      ' : 'FAILED  '}${title}`);
  if (isFine) return true;
  console.log(`${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`.trimEnd());
  failed.push(title);
  return false;
}

function skip(title, reason) {
  console.log(`unchecked  ${title}: ${reason}`);
  unchecked.push(title);
}

const run = (command, args, input) => spawnSync(command, args, { input, encoding: 'utf8' });

function checkChart() {
  const helm = goProgram('helm');
  if (helm.reason !== undefined) {
    skip('helm lint', helm.reason);
    skip('kubeconform', 'there is no helm that makes the manifests');
    return;
  }
  const kubeconform = goProgram('kubeconform');
  const schemas = kubeconform.reason === undefined ? kubernetesSchemas() : kubeconform;
  if (schemas.reason !== undefined) skip('kubeconform', schemas.reason);
  for (const file of valueFiles) {
    const lint = ['lint', '--strict', CHART, '--kube-version', KUBERNETES_VERSION, ...withValues(file)];
    report(named('helm lint', file), run(helm.place, lint));
    const template = ['template', 'check', CHART, '--kube-version', KUBERNETES_VERSION, ...withValues(file)];
    const manifests = run(helm.place, template);
    if (!report(named('helm template', file), manifests) || schemas.reason !== undefined) continue;
    const location = `${schemas.place}/${SCHEMA_NAMES}`;
    const conform = ['-strict', '-summary', '-schema-location', location];
    report(named('kubeconform', file), run(kubeconform.place, conform, manifests.stdout));
  }
}

function checkCompose() {
  const compose = goProgram('compose-go');
  if (compose.reason !== undefined) return skip('compose.yaml', compose.reason);
  report('compose.yaml', run(compose.place, [inRoot('deploy', 'compose.yaml')]));
}

function checkDockerfile() {
  const tool = hadolint();
  if (tool.reason !== undefined) return skip('Dockerfile', tool.reason);
  report('Dockerfile', run(tool.place, [inRoot('deploy', 'Dockerfile')]));
}

checkChart();
checkCompose();
checkDockerfile();

console.log(`${failed.length} failed, ${unchecked.length} unchecked`);
if (failed.length > 0 || (process.argv.includes('--all') && unchecked.length > 0)) process.exitCode = 1;
