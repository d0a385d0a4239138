import { objectOf } from '../values';

/** All that the results of a command depend on, by what a user calls it: an option, `model`, `input`. */
export type MadeWith = Readonly<Record<string, unknown>>;

/** Options by their names on the command line. */
export function byFlag(options: object): MadeWith {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
      value,
    ]),
  );
}

/**
 * What a run that goes on would do otherwise than it was begun: such as `--top-k 3 (now 5)`.
 * @param recorded - As it was read from a file: what is no {@link MadeWith} differs in all
 * @returns undefined where nothing differs
 */
export function differencesOf(recorded: unknown, now: MadeWith): string | undefined {
  const earlier: MadeWith = objectOf(recorded);
  const names = [...new Set([...Object.keys(earlier), ...Object.keys(now)])];
  const different = names
    .filter((name) => JSON.stringify(earlier[name]) !== JSON.stringify(now[name]))
    .map((name) => `${name} ${inWords(earlier[name])} (now ${inWords(now[name])})`);
  return different.length === 0 ? undefined : different.join(', ');
}

function inWords(value: unknown): string {
  if (value === undefined) return 'not given';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
