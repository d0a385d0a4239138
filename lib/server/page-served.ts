import type { ApiName, Dialect, Endpoint } from './dialect';
import type { ServedModel } from './model-pool';
import type { ServerContext } from './plugin';

/** A model, as far as the page shows it. Never a path. */
export interface DescribedModel {
  name: string;
  task: ServedModel['task'];
  loaded: boolean;
  /** These are known once it has been loaded. */
  precision?: string;
  threads?: number;
  parameters?: number;
  maxLength?: number;
  kernel?: string;
}

export function describeModel(model: ServedModel): DescribedModel {
  const { name, task, loaded } = model;
  const info = model.info();
  if (info === undefined) return { name, task, loaded };
  const { precision, threads, parameters, maxLength, kernels } = info;
  return { name, task, loaded, precision, threads, parameters, maxLength, kernel: kernels.linear };
}

interface DescribedEndpoint extends Pick<Endpoint, 'path' | 'summary' | 'example'> {
  kind: 'rank' | 'score' | 'embed';
  /** Whether a body may name the model. */
  takesModel: boolean;
  /** Whether, without the model's name of its own maker, a body is taken for that of another API. */
  isAmbiguous: boolean;
}

/** What the page needs to know before a request: models to pick, calls to show, limits. */
export interface PageServed {
  models: DescribedModel[];
  /** Whether names in requests matter, by task: else any is taken for the one model. */
  namesMatter: Record<ServedModel['task'], boolean>;
  apis: { name: string; title: string; endpoints: DescribedEndpoint[] }[];
  limits: { maxDocuments: number; maxBodyBytes: number };
}

export function describeServer({ pool, dialects, options }: ServerContext): PageServed {
  const { maxDocuments, maxBodyBytes, strictModel, api } = options;
  const models = pool.list();
  const namesMatter = (task: ServedModel['task']) =>
    strictModel || models.filter((model) => model.task === task).length > 1;
  return {
    models: models.map(describeModel),
    namesMatter: { rerank: namesMatter('rerank'), embed: namesMatter('embed') },
    apis: dialects.map((dialect) => describeApi(dialect, dialects, api)),
    limits: { maxDocuments, maxBodyBytes },
  };
}

function describeApi(
  dialect: Dialect,
  dialects: readonly Dialect[],
  api: ApiName | undefined,
): PageServed['apis'][number] {
  const { name, title, endpoints } = dialect;
  return { name, title, endpoints: oneOfEach(endpoints).map(describe) };

  function describe(endpoint: Endpoint): DescribedEndpoint {
    const { path, summary, example, requestSchema } = endpoint;
    const { properties = {} } = requestSchema as { properties?: object };
    return {
      path,
      summary,
      example,
      kind: endpoint.read(example, { model: '' }).call.kind,
      takesModel: Object.hasOwn(properties, 'model'),
      isAmbiguous: takerOf(endpoint, dialects, api) !== name,
    };
  }
}

/** One of several addresses that do the same. */
function oneOfEach(endpoints: readonly Endpoint[]): Endpoint[] {
  return endpoints.filter(({ summary }, i) => endpoints.findIndex((each) => each.summary === summary) === i);
}

/** The API that would answer an endpoint's example if that named no model, as the dispatcher decides it. */
function takerOf(
  { path, example }: Endpoint,
  dialects: readonly Dialect[],
  api: ApiName | undefined,
): ApiName | undefined {
  const { model, ...unnamed } = example;
  const strength = { certain: 4, possible: 2, no: 0 } as const;
  let best = -1;
  let taker: ApiName | undefined;
  for (const { name, endpoints } of dialects) {
    for (const endpoint of endpoints) {
      if (endpoint.path !== path) continue;
      const claim = strength[endpoint.claim(unnamed, {})] + (name === api ? 1 : 0);
      if (claim > best) [best, taker] = [claim, name];
    }
  }
  return taker;
}
