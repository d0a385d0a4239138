import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { CrossrankError } from '../errors';

/** A model of the hub. */
export interface ModelId {
  /** `ORGANISATION/NAME` */
  repository: string;
  /** Branch, tag or commit that was named behind `@`. */
  revision: string | undefined;
}

/** What messages show of how a model of the hub is named. */
export const ID_EXAMPLE = 'ORGANISATION/NAME or ORGANISATION/NAME@REVISION, such as BAAI/bge-reranker-base';

const MAX_ID_CHARACTERS = 96;
const MAX_REVISION_CHARACTERS = 200;
/** As huggingface_hub has it (`validate_repo_id`): no part begins or ends with a dot or a hyphen. */
const PART = String.raw`\w(?:[\w.-]*\w)?`;
const REPOSITORY = new RegExp(`^${PART}/${PART}$`);
/** What git allows in the name of a ref, without what a shell or a file system reads its own way. */
const REVISION = /^[\w.+=-]+(?:\/[\w.+=-]+)*$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** Undefined for all that does not look like `ORGANISATION/NAME` or `ORGANISATION/NAME@REVISION`. */
export function parseModelId(text: string): ModelId | undefined {
  const at = text.indexOf('@');
  const repository = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? undefined : text.slice(at + 1);
  if (!isRepository(repository) || (revision !== undefined && !isRevision(revision))) return undefined;
  return { repository, revision };
}

/** What {@link parseModelId} returns, or an error that says how models are named. */
export function requireModelId(text: string): ModelId {
  const id = parseModelId(text);
  if (id !== undefined) return id;
  throw new CrossrankError(
    'ERR_INVALID_ARGUMENT',
    `${JSON.stringify(text.slice(0, MAX_ID_CHARACTERS))} names no model of the hub: those are ${ID_EXAMPLE}`,
  );
}

export function isRepository(text: string): boolean {
  if (text.length > MAX_ID_CHARACTERS || text.includes('--') || text.includes('..')) return false;
  return REPOSITORY.test(text) && !text.endsWith('.git');
}

export function isRevision(text: string): boolean {
  if (text.length > MAX_REVISION_CHARACTERS || !REVISION.test(text) || text.includes('..')) return false;
  return text.split('/').every((part) => !part.startsWith('.') && !/\.(lock|tmp)$|\.$/.test(part));
}

/** A full commit, which never means anything else later. */
export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

/** What traces of a load call a model before it is found: the path of a folder, or the name of a model of the hub. */
export function loadedName(model: string): string {
  const folder = resolve(model);
  return existsSync(folder) || parseModelId(model) === undefined ? folder : model;
}

/**
 * What a caller named: the folder, where there is one of that path, as transformers does; else a model of the hub.
 * @throws {@link CrossrankError} with `ERR_MODEL_NOT_FOUND` where it is neither
 */
export function folderOrModel(model: string): { folder: string } | { id: ModelId } {
  const folder = resolve(model);
  if (existsSync(folder)) return { folder };
  const id = parseModelId(model);
  if (id !== undefined) return { id };
  throw new CrossrankError(
    'ERR_MODEL_NOT_FOUND',
    `there is no model folder at ${folder}; pass the path of a folder with config.json, tokenizer.json and ` +
      `model.safetensors (or model.onnx), or a model of the hub: ${ID_EXAMPLE}`,
  );
}
