// JSON schemas, one a kind, as kubeconform looks for them: of Kubernetes' own OpenAPI document, and of a resource
// definition. The published ones lie where not every machine can reach; the documents come with Go modules.

import fs from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

/** What the template of kubeconform's -schema-location has to be for the files of {@link writeKinds}. */
export const SCHEMA_NAMES = '{{.ResourceKind}}{{.KindSuffix}}.json';

// Both are written as strings or as numbers, which the document does not say.
const LOOSE = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: ['string', 'integer'] },
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: ['string', 'number'] },
};

/** `apps/v1` Deployment -> deployment-apps-v1.json */
function fileName({ group, version, kind }) {
  const parts = [kind, group.split('.')[0], version].filter((part) => part !== '');
  return `${parts.join('-').toLowerCase()}.json`;
}

/** Fields that are not described are mistakes. */
function closed(schema) {
  if (Array.isArray(schema)) return schema.map(closed);
  if (schema === null || typeof schema !== 'object') return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const isObject = typeof schema.properties === 'object' && schema.additionalProperties === undefined;
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] === true;
  return isObject && !isOpen && schema.type !== undefined ? { ...copy, additionalProperties: false } : copy;
}

/** The definitions that `schema` leads to, and those that they lead to. */
function reachable(schema, definitions, found = {}) {
  for (const [, name] of JSON.stringify(schema).matchAll(/"#\/definitions\/([^"]+)"/g)) {
    if (name in found) continue;
    found[name] = definitions[name];
    reachable(definitions[name], definitions, found);
  }
  return found;
}

/** @param document - api/openapi-spec/swagger.json of k8s.io/kubernetes */
export function writeKinds(document, folder) {
  const { definitions } = JSON.parse(fs.readFileSync(document, 'utf8'));
  const strict = Object.fromEntries(
    Object.entries(definitions).map(([name, schema]) => [name, LOOSE[name] ?? closed(schema)]),
  );
  for (const schema of Object.values(strict)) {
    for (const kind of schema['x-kubernetes-group-version-kind'] ?? []) {
      const standalone = { ...schema, definitions: reachable(schema, strict) };
      fs.writeFileSync(path.join(folder, fileName(kind)), JSON.stringify(standalone));
    }
  }
}

/** @param definition - a CustomResourceDefinition in YAML */
export function writeCustomKind(definition, folder) {
  const { spec } = parse(fs.readFileSync(definition, 'utf8'));
  for (const { name, schema } of spec.versions) {
    const kind = { group: spec.group, version: name, kind: spec.names.kind };
    fs.writeFileSync(path.join(folder, fileName(kind)), JSON.stringify(closed(schema.openAPIV3Schema)));
  }
}
