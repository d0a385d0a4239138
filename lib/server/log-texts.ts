import type { Call } from './calls';

/** UTF-16 code units of each text, and texts of each call, that are logged at most. */
const MAX_LENGTH = 200;
const MAX_TEXTS = 10;

/** Texts of a call, cut, for a log that was asked for them. */
export interface LoggedTexts {
  query?: string;
  documents?: string[];
  pairs?: [string, string][];
  texts?: string[];
  /** Documents, pairs or texts that are left out. */
  omitted?: number;
}

export function textsOf(call: Call): LoggedTexts {
  switch (call.kind) {
    case 'rank': {
      const documents = call.documents.slice(0, MAX_TEXTS).map(cut);
      return { query: cut(call.query), documents, ...omitted(call.documents) };
    }
    case 'score': {
      const pairs = call.pairs
        .slice(0, MAX_TEXTS)
        .map(([query, document]): [string, string] => [cut(query), cut(document)]);
      return { pairs, ...omitted(call.pairs) };
    }
    case 'embed':
      return { texts: call.texts.slice(0, MAX_TEXTS).map(cut), ...omitted(call.texts) };
  }
}

function omitted({ length }: readonly unknown[]): Pick<LoggedTexts, 'omitted'> {
  return length > MAX_TEXTS ? { omitted: length - MAX_TEXTS } : {};
}

/** `…[+120]` says how much is not there. */
function cut(text: string): string {
  if (text.length <= MAX_LENGTH) return text;
  // toWellFormed is not in Node 20's types: a surrogate that lost its other half is cut, too.
  const end = /[\uD800-\uDBFF]/.test(text[MAX_LENGTH - 1] as string) ? MAX_LENGTH - 1 : MAX_LENGTH;
  return `${text.slice(0, end)}…[+${text.length - end}]`;
}
