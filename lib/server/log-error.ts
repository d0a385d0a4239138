/** An error as logs and traces show it. */
export interface ErrorRecord {
  type: string;
  code?: string;
  message: string;
  /** Where it was made, without its message. */
  stack?: string;
  cause?: ErrorRecord;
}

/** Causes of causes that are followed. */
const MAX_DEPTH = 5;

/**
 * Messages name what they did not expect between double quotes, such as a part of the body that is no JSON: that can be
 * what a user has written, so it is left out.
 */
export function errorRecord(error: unknown, depth = 0): ErrorRecord {
  if (!isErrorLike(error)) return { type: typeof error, message: 'not an error' };
  const { name, message, code, stack, cause } = error;
  return {
    type: typeof name === 'string' ? name : 'Error',
    ...(typeof code === 'string' && { code }),
    message: withoutQuotes(String(message)),
    ...(typeof stack === 'string' && { stack: framesOf(stack) }),
    ...(cause !== undefined && depth < MAX_DEPTH && { cause: errorRecord(cause, depth + 1) }),
  };
}

/** From the first quote to the last, since quotes within are not escaped everywhere. */
function withoutQuotes(message: string): string {
  return message.replace(/".*"/s, '"…"');
}

function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim())
    .join('\n');
}

interface ErrorLike {
  name?: unknown;
  message: unknown;
  code?: unknown;
  stack?: unknown;
  cause?: unknown;
}

/** Not `instanceof`: errors of other realms and of native code are errors, too. */
function isErrorLike(value: unknown): value is ErrorLike {
  return typeof value === 'object' && value !== null && 'message' in value;
}
