import type { JsonSchema } from './dialect';

/** Of a number in a request schema: no more than the values of an embedding, which {@link limitedSchema} fills in. */
export const AT_MOST_DIMENSIONS = { 'x-at-most': 'dimensions' } as const;

/** What a server adds to the schemas of its APIs. */
export interface SchemaLimits {
  /** Of lists that name no limit of their own. */
  maxDocuments: number;
  /** Values of the longest embedding; undefined: not known, or left to the model. */
  maxDimensions: number | undefined;
}

/** A schema with the limits of a server: what bodies are checked against, and what the OpenAPI document says of them. */
export function limitedSchema(schema: JsonSchema, limits: SchemaLimits): JsonSchema {
  const { maxDocuments, maxDimensions } = limits;
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const { 'x-at-most': most, ...rest } = value as Record<string, unknown>;
    const walked = Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, walk(each)]));
    return {
      ...([walked.type].flat().includes('array') ? { maxItems: maxDocuments } : {}),
      ...(most === undefined || maxDimensions === undefined ? {} : { maximum: maxDimensions }),
      ...walked,
    };
  };
  return walk(schema) as JsonSchema;
}
