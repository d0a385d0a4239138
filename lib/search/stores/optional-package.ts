import { CrossrankError } from '../../errors';

/**
 * Loads a package that users install beside this one, when it is first needed.
 * @param purpose what needs it
 * @param from `require` of the package that it is to be found from
 * @throws {@link CrossrankError} with `ERR_MISSING_PACKAGE`, with the command that installs it
 */
export function loadOptionalPackage<T>(name: string, purpose: string, from: NodeJS.Require = require): T {
  try {
    return from(name) as T;
  } catch (cause) {
    const missing = (cause as { code?: unknown }).code === 'MODULE_NOT_FOUND' && String(cause).includes(name);
    const reason = missing ? 'is not installed' : `does not load here (${(cause as Error).message})`;
    throw new CrossrankError(
      'ERR_MISSING_PACKAGE',
      `${purpose} needs the package ${name}, which ${reason}; run: npm install ${name}`,
      { cause },
    );
  }
}
