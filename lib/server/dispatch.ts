import type { IncomingHttpHeaders } from 'node:http';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020';
import { isObject } from '../values';
import type { ApiName, Body, Dialect, Endpoint, JsonSchema, Reading } from './dialect';
import { RequestFailure } from './failure';
import { limitedSchema } from './limits';

/** An endpoint of an API, with its compiled schema. */
export interface Target {
  dialect: Dialect;
  endpoint: Endpoint;
  /** By the endpoint's schema with the limits of the server. */
  isValid: ValidateFunction;
  maxDocuments: number;
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
   * @param maxDocuments - Of a request
   */
  constructor(dialects: readonly Dialect[], api: ApiName | undefined, maxDocuments: number) {
    const ajv = new Ajv2020({ strict: false, validateFormats: false, verbose: true });
    for (const dialect of dialects) {
      for (const endpoint of dialect.endpoints) {
        const schema = limitedSchema(endpoint.requestSchema, { maxDocuments, maxDimensions: undefined });
        const target = { dialect, endpoint, isValid: ajv.compile(schema), maxDocuments };
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
    const strengths = targets.map((target) => strengthOf(target, body, headers));
    const strongest = targets.filter((_, i) => strengths[i] === Math.max(...strengths));
    const named = strongest.filter(({ dialect }) => dialect.name === this.#api);
    const asked = [...new Set([...named, ...strongest])];
    const fitting =
      asked.length > 1 && isObject(body) ? asked.find(({ isValid }) => isValid(body)) : undefined;
    return fitting ?? asked[0];
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

/** @throws RequestFailure with `malformed`, `invalid` or `too-many` */
export function readRequest(
  { endpoint, isValid, maxDocuments }: Target,
  body: unknown,
  parameters: Readonly<Record<string, string>>,
): Reading {
  checkBody(isValid, body, maxDocuments);
  return endpoint.read(body, parameters);
}

/**
 * @param maxDocuments - Of a request, where the schema has it
 * @throws RequestFailure with `malformed`, `invalid` or `too-many`
 */
export function checkBody(
  isValid: ValidateFunction,
  body: unknown,
  maxDocuments?: number,
): asserts body is Body {
  if (!isObject(body)) throw new RequestFailure('malformed', 'the body must be a JSON object');
  if (!isValid(body)) throw invalidBody(isValid.errors ?? [], maxDocuments);
}

/** Of several forms that a field may have, the failure that got furthest into the body tells most. */
function invalidBody(errors: readonly ErrorObject[], maxDocuments: number | undefined): RequestFailure {
  const depth = ({ instancePath }: ErrorObject) => instancePath.split('/').length;
  const outer = errors.filter(({ schemaPath }) => !schemaPath.includes('/contains/'));
  const deepest = Math.max(...outer.map(depth));
  const told = outer.filter((error) => depth(error) === deepest && !/^(anyOf|oneOf)$/.test(error.keyword));
  // Of the right type and wrong all the same says more than of another type.
  const error = told.find(({ keyword }) => keyword !== 'type') ?? told[0] ?? errors[0];
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
        `${place} must be one of ${error.params.allowedValues.map(String).join(', ')}`,
        {
          field: place,
        },
      );
    case 'false schema':
      return new RequestFailure('invalid', `${place} cannot stand here beside other fields`, {
        field: place,
      });
    case 'minItems':
      if (error.params.limit > 1) break;
      return new RequestFailure('invalid', `${place} cannot be empty`, { field: place });
    case 'maxItems': {
      if (error.params.limit !== maxDocuments) break;
      const most = `${(error.data as unknown[]).length} ${place} are more than the ${maxDocuments} of a request`;
      return new RequestFailure('too-many', most, { field: place });
    }
    case 'contains':
      return new RequestFailure(
        'invalid',
        `${place} must contain ${(error.schema as JsonSchema).description}`,
        {
          field: place,
        },
      );
  }
  return new RequestFailure('invalid', `${place || 'the body'} ${error.message ?? 'is not valid'}`, {
    field: place,
  });
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
