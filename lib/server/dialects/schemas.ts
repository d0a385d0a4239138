import type { JsonSchema } from '../dialect';
import { AT_MOST_DIMENSIONS } from '../limits';

/** Fragments of JSON Schema that several APIs share. */
export const STRING = { type: 'string' } as const;
export const BOOLEAN = { type: 'boolean' } as const;
export const NUMBER = { type: 'number' } as const;
export const COUNT = { type: 'integer', minimum: 0 } as const;
export const POSITIVE = { type: 'integer', minimum: 1 } as const;
export const STRINGS = arrayOf(STRING, { minItems: 1 });
export const STRING_OR_STRINGS = { anyOf: [STRING, STRINGS] } as const;
export const DIMENSIONS = {
  type: ['integer', 'null'],
  minimum: 1,
  ...AT_MOST_DIMENSIONS,
  description: 'Only the first so many values, scaled to length 1 again; no more than the model has.',
} as const;

export function arrayOf(
  items: JsonSchema,
  limits: { minItems?: number; maxItems?: number } = {},
): JsonSchema {
  return { type: 'array', items, ...limits };
}

/** Clients written in Python send what was left out as null. */
export function nullable(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] };
}

export function oneOf(...choices: readonly string[]): JsonSchema {
  return { type: 'string', enum: choices };
}

/** An object with these fields; others are let pass and not read, as most of these APIs do. */
export function object(
  required: Readonly<Record<string, JsonSchema>>,
  optional: Readonly<Record<string, JsonSchema>> = {},
): JsonSchema {
  return { type: 'object', required: Object.keys(required), properties: { ...required, ...optional } };
}

/** What a field that may be null says. */
export function given<T>(value: unknown): T | undefined {
  return value === null || value === undefined ? undefined : (value as T);
}
