import type { JsonSchema } from '../dialect';

/** A text of Jina's API, which has images as well; these are refused. */
export type Text = string | { text: string };

export const TEXT_OBJECT: JsonSchema = {
  type: 'object',
  required: ['text'],
  properties: { text: { type: 'string' } },
};

export const TEXT: JsonSchema = { anyOf: [{ type: 'string' }, TEXT_OBJECT] };

export function textOf(value: Text): string {
  return typeof value === 'string' ? value : value.text;
}
