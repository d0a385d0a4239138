import type { JsonSchema } from './dialect';

/** What `/info` answers. */
export const INFO: JsonSchema = {
  type: 'object',
  required: ['model_id', 'model_dtype', 'model_type', 'max_input_length', 'max_client_batch_size', 'version'],
  properties: {
    model_id: { type: 'string' },
    model_dtype: { type: 'string' },
    model_type: { type: 'object' },
    max_input_length: { type: 'integer', minimum: 1 },
    max_client_batch_size: { type: 'integer', minimum: 1 },
    version: { type: 'string' },
  },
};

/** What `/v1/models/NAME` answers. */
export const MODEL: JsonSchema = {
  type: 'object',
  required: ['id', 'object', 'created', 'owned_by'],
  properties: {
    id: { type: 'string' },
    object: { const: 'model' },
    created: { type: 'integer' },
    owned_by: { type: 'string' },
  },
};

/** What `/v1/models` answers. */
export const MODELS: JsonSchema = {
  type: 'object',
  required: ['object', 'data'],
  properties: { object: { const: 'list' }, data: { type: 'array', items: MODEL } },
};
