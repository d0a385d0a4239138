import type { IncomingHttpHeaders } from 'node:http';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020';
import type { ApiName, Body, Dialect, Endpoint, Reading } from './dialect';
import { RequestFailure } from './failure';

/** An endpoint of an API, with its compiled schema. */
export interface Target {
  dialect: Dialect;
  endpoint: Endpoint;
  isValid: ValidateFunction;
}

const NO_BODY: Body = {};
const STRENGTH = { certain: 2, possible: 1, no: 0 } as const;

/** Finds the API that a request is for, and reads the request as that API means it. */
export class Dispatcher {
  readonly #targets = new Map<string, Target[]>();
  readonly #dialects: readonly Dialect[];
  readonly #default: Dialect;
  readonly #api: ApiName | undefined;
  readonly #rewrites: readonly RegExp[];

  /**
   * @param dialects - In the order in which they are asked
   * @param api - Goes before the order
   */
  constructor(dialects: readonly Dialect[], api: ApiName | undefined) {
    const ajv = new Ajv2020({ strict: false, validateFormats: false, verbose: true });
    for (const dialect of dialects) {
      for (const endpoint of dialect.endpoints) {
        const target = { dialect, endpoint, isValid: ajv.compile(endpoint.requestSchema) };
        this.#targets.set(endpoint.path, [...(this.#targets.get(endpoint.path) ?? []), target]);
      }
    }
    this.#api = api;
    this.#dialects = dialects;
    this.#default = dialects.find(({ name }) => name === api) ?? (dialects[0] as Dialect);
    this.#rewrites = this.paths()
      .filter((path) => path.includes('/:model'))
      .map((path) => new RegExp(`^(${escapePattern(path).replace('/:model', '/)(.+?)(')})(?=\\?|$)`));
  }

  paths(): string[] {
    return [...this.#targets.keys()];
  }

  /** The address as routes have it: slashes of a model's name are part of it. */
  rewrite(url: string): string {
    for (const pattern of this.#rewrites) {
      const match = pattern.exec(url);
      if (match === null) continue;
      const [whole, before, model, after] = match as unknown as [string, string, string, string];
      return `${before}${model.replaceAll('/', '%2F')}${after}${url.slice(whole.length)}`;
    }
    return url;
  }

  /** @param body - Undefined where there is none that could be read: then headers and the order decide */
  choose(path: string, body: unknown, headers: IncomingHttpHeaders): Target | undefined {
    const targets = this.#targets.get(path) ?? [];
    let best: Target | undefined;
    let strength = -1;
    for (const target of targets) {
      const claim = strengthOf(target, body, headers);
      const isNamed = target.dialect.name === this.#api;
      if (claim > strength || (claim === strength && isNamed)) {
        best = target;
        strength = claim;
      }
    }
    return best;
  }

  /**
   * Whose errors a request gets that is for no API in particular.
   * @param api - That the route names, where its path is of no endpoint
   */
  dialectOf(path: string | undefined, headers: IncomingHttpHeaders, api?: ApiName): Dialect {
    const target = path === undefined ? undefined : this.choose(path, undefined, headers);
    return target?.dialect ?? this.#dialects.find(({ name }) => name === api) ?? this.#default;
  }
}

/** Where there is no body, only what is certain without one goes before the others. */
function strengthOf({ endpoint }: Target, body: unknown, headers: IncomingHttpHeaders): number {
  if (isObject(body)) return STRENGTH[endpoint.claim(body, headers)];
  return endpoint.claim(NO_BODY, headers) === 'certain' ? STRENGTH.certain : STRENGTH.possible;
}

/** @throws RequestFailure with `malformed` or `invalid` */
export function readRequest(
  { endpoint, isValid }: Target,
  body: unknown,
  parameters: Readonly<Record<string, string>>,
): Reading {
  checkBody(isValid, body);
  return endpoint.read(body, parameters);
}

/** @throws RequestFailure with `malformed` or `invalid` */
export function checkBody(isValid: ValidateFunction, body: unknown): asserts body is Body {
  if (!isObject(body)) throw new RequestFailure('malformed', 'the body must be a JSON object');
  if (!isValid(body)) throw invalidBody(isValid.errors ?? []);
}

function isObject(body: unknown): body is Body {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}

/** Of several forms that a field may have, the failure that got furthest into the body tells most. */
function invalidBody(errors: readonly ErrorObject[]): RequestFailure {
  const depth = ({ instancePath }: ErrorObject) => instancePath.split('/').length;
  const deepest = Math.max(...errors.map(depth));
  const told = errors.filter((error) => depth(error) === deepest && !/^(anyOf|oneOf)$/.test(error.keyword));
  const [error] = told.length > 0 ? told : errors;
  if (error === undefined) return new RequestFailure('invalid', 'the body is not as this API has it');
  const place = fieldOf(error.instancePath);
  const within = (name: string) => (place === '' ? name : `${place}.${name}`);
  switch (error.keyword) {
    case 'required': {
      const field = within(error.params.missingProperty);
      return new RequestFailure('invalid', `the field ${field} is missing`, { field });
    }
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const name = error.params.additionalProperty ?? error.params.unevaluatedProperty;
      return new RequestFailure(
        'invalid',
        `the field ${JSON.stringify(within(shortened(name)))} is not known`,
      );
    }
    case 'type': {
      const types = [
        ...new Set(told.filter(({ keyword }) => keyword === 'type').flatMap(({ params }) => params.type)),
      ];
      return new RequestFailure('invalid', `${place} must be of type ${types.join(' or ')}`, {
        field: place,
      });
    }
    case 'enum':
      return new RequestFailure(
        'invalid',
        `${place} must be one of ${error.params.allowedValues.join(', ')}`,
        {
          field: place,
        },
      );
    default:
      return new RequestFailure('invalid', `${place || 'the body'} ${error.message ?? 'is not valid'}`, {
        field: place,
      });
  }
}

function shortened(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
}

/** `/documents/3/text` as `documents[3].text`. Only names of the schema and numbers come before a failure. */
function fieldOf(pointer: string): string {
  const steps = pointer.split('/').slice(1);
  return steps.map((step, i) => (/^\d+$/.test(step) ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

function escapePattern(path: string): string {
  return path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
