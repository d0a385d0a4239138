/** Of what is logged of a body: UTF-16 code units of a text, items of an array or fields of an object, and how deep. */
const MAX_LENGTH = 200;
const MAX_ITEMS = 10;
const MAX_DEPTH = 6;

/**
 * The body of a request for a log that was asked for texts: as it was sent, cut. `…[+120]` says how many code units,
 * items or fields are not there.
 */
export function cutBody(body: unknown, depth = 0): unknown {
  if (typeof body === 'string') return cutText(body);
  if (typeof body !== 'object' || body === null) return body;
  if (depth === MAX_DEPTH) return '…';
  if (Array.isArray(body)) {
    const items = body.slice(0, MAX_ITEMS).map((item) => cutBody(item, depth + 1));
    return body.length > MAX_ITEMS ? [...items, left(body.length - MAX_ITEMS)] : items;
  }
  const fields = Object.entries(body);
  const kept = fields
    .slice(0, MAX_ITEMS)
    .map(([name, value]): [string, unknown] => [cutText(name), cutBody(value, depth + 1)]);
  if (fields.length > MAX_ITEMS) kept.push(['…', left(fields.length - MAX_ITEMS)]);
  return Object.fromEntries(kept);
}

function cutText(text: string): string {
  if (text.length <= MAX_LENGTH) return text;
  // A surrogate that would lose its other half is cut, too.
  const end = /[\uD800-\uDBFF]/.test(text[MAX_LENGTH - 1] as string) ? MAX_LENGTH - 1 : MAX_LENGTH;
  return `${text.slice(0, end)}${left(text.length - end)}`;
}

function left(count: number): string {
  return `…[+${count}]`;
}
