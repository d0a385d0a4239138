import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { DEFAULT_EMBEDDER, Embedder } from '../embedder';
import { modelName } from '../embedding/model-name';
import { embeddedModel } from '../engine';
import { CrossrankError } from '../errors';
import type { EmbedderInfo, RerankerInfo } from '../info';
import { DEFAULT_RERANKER, Reranker } from '../reranker';
import type { EmbedderStats, RerankerStats } from '../telemetry/stats';
import { RequestFailure } from './failure';
import type { ModelPool, ServedModel } from './model-pool';
import type { ServerSettings } from './options';

/** How far engine threads stand back behind HTTP where nothing else is asked for. */
const DEFAULT_NICE = 5;
/** Of a name that clients send and headers, logs and metrics may carry. */
const SOUND_NAME = /^[\w.:/@+-]{1,200}$/;
const HUB_ID = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;

type Task = ServedModel['task'];
type Loaded = Reranker | Embedder;

/** One model: loaded once for all requests that come meanwhile; after a failed load the next request tries again. */
class Entry<Model extends Loaded = Loaded> implements ServedModel {
  readonly name: string;
  readonly task: Task;
  /** Hub id or folder name, also where there is an alias. */
  readonly original: string;
  readonly #load: () => Promise<Model>;
  #loading: Promise<Model> | undefined;
  #model: Model | undefined;

  constructor(task: Task, { name, original }: ModelSource, load: () => Promise<Model>) {
    this.task = task;
    this.name = name;
    this.original = original;
    this.#load = load;
  }

  get loaded(): boolean {
    return this.#model?.info().loaded ?? false;
  }

  info(): RerankerInfo | EmbedderInfo | undefined {
    return this.#model?.info();
  }

  stats(): RerankerStats | EmbedderStats | undefined {
    return this.#model?.stats();
  }

  get(): Promise<Model> {
    this.#loading ??= this.#load().then(
      (model) => {
        this.#model = model;
        return model;
      },
      (error: unknown) => {
        this.#loading = undefined;
        throw error;
      },
    );
    return this.#loading;
  }

  /** @returns when its native work has ended */
  async dispose(): Promise<void> {
    const model = await this.#loading?.catch(() => undefined);
    await model?.dispose();
  }
}

/** The models of one server. */
export class Models implements ModelPool {
  readonly #rerankers: readonly Entry<Reranker>[];
  readonly #embedders: readonly Entry<Embedder>[];
  readonly #strict: boolean;

  /** @throws CrossrankError with `ERR_INVALID_ARGUMENT` where two have the same name, or one has none that is sound */
  constructor({ models, embedders, engine, strictModel }: ServerSettings) {
    const options = { nice: DEFAULT_NICE, ...engine };
    const neither = models.length === 0 && embedders.length === 0;
    const rerankers = neither ? [DEFAULT_RERANKER] : models;
    const embedding = neither ? [DEFAULT_EMBEDDER] : embedders;
    this.#rerankers = rerankers.map((spec) => {
      const source = readSource(spec, DEFAULT_RERANKER);
      return new Entry('rerank', source, () => Reranker.load(source.source, options));
    });
    // Vectors come as they are pooled: a request may ask for them so, and scaling them is cheap.
    this.#embedders = embedding.map((spec) => {
      const source = readSource(spec, DEFAULT_EMBEDDER);
      return new Entry('embed', source, () => Embedder.load(source.source, { ...options, normalize: false }));
    });
    this.#strict = strictModel;
    requireDistinct(this.list());
  }

  list(): readonly Entry[] {
    return [...this.#rerankers, ...this.#embedders];
  }

  async reranker(name: string | undefined): Promise<{ model: ServedModel; reranker: Reranker }> {
    const model = this.#find(this.#rerankers, 'rerank', name);
    return { model, reranker: await model.get() };
  }

  async embedder(name: string | undefined): Promise<{ model: ServedModel; embedder: Embedder }> {
    const model = this.#find(this.#embedders, 'embed', name);
    return { model, embedder: await model.get() };
  }

  /** Loads and warms all of them, one after the other: a load takes all processors. */
  async load(): Promise<void> {
    for (const entry of this.list()) await (await entry.get()).warmUp();
  }

  async dispose(): Promise<void> {
    await Promise.all(this.list().map((entry) => entry.dispose()));
  }

  #find<E extends Entry>(entries: readonly E[], task: Task, name: string | undefined): E {
    const [first] = entries;
    const what = task === 'rerank' ? 'reranker' : 'embedder';
    if (first === undefined) {
      throw new RequestFailure('unsupported', `this server has no ${what}`, { field: 'model' });
    }
    if (name === undefined || name === '') return first;
    const named =
      entries.find((each) => each.name === name) ?? entries.find((each) => each.original === name);
    if (named !== undefined) return named;
    if (this.list().some((each) => each.name === name || each.original === name)) {
      throw new RequestFailure('unknown-model', `the model ${quote(name)} is no ${what}`, { field: 'model' });
    }
    if (entries.length === 1 && !this.#strict) return first;
    const served = entries.map((each) => each.name).join(', ');
    throw new RequestFailure('unknown-model', `no ${what} is called ${quote(name)}; served are ${served}`, {
      field: 'model',
    });
  }
}

/** As it may stand in a message: what a client sent is bounded and has no control characters. */
function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}

interface ModelSource {
  /** Of `load`. */
  source: string;
  name: string;
  original: string;
}

function readSource(spec: string, embedded: string): ModelSource {
  const split = existsSync(spec) ? -1 : spec.lastIndexOf('=');
  const given = split === -1 ? spec : spec.slice(0, split);
  const alias = split === -1 ? undefined : spec.slice(split + 1);
  const isFolder = existsSync(given);
  const source = given === embedded && !isFolder ? embeddedModel(embedded) : given;
  const id = given.replace(/@[^@/]*$/, '');
  const original = !isFolder && HUB_ID.test(id) ? id : modelName(resolve(source));
  const name = alias ?? original;
  if (SOUND_NAME.test(name)) return { source, name, original };
  throw new CrossrankError(
    'ERR_INVALID_ARGUMENT',
    `${JSON.stringify(name)} cannot be the name of a served model; give ${JSON.stringify(basename(source))} an alias ` +
      'of letters, digits and ._-:/@+ with SOURCE=ALIAS',
  );
}

function requireDistinct(models: readonly ServedModel[]): void {
  const names = new Set<string>();
  for (const { name } of models) {
    if (names.has(name)) {
      throw new CrossrankError(
        'ERR_INVALID_ARGUMENT',
        `two models would be called ${JSON.stringify(name)}; give one an alias with SOURCE=ALIAS`,
      );
    }
    names.add(name);
  }
}
