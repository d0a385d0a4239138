/** A JSON object, and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Of what is none, one without fields. */
export function objectOf(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}
