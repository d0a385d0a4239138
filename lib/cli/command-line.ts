import { parseArgs } from 'node:util';

/** The command line is wrong; the message is for people. */
export class UsageError extends Error {
  /** The command it belongs to. */
  command?: string;
}

export interface Range {
  min: number;
  max: number;
}

/** Options of a command: those of type string need a value; `multiple` ones may come more than once. */
export type OptionTable = Readonly<
  Record<string, { readonly type: 'boolean' | 'string'; readonly multiple?: true }>
>;

/** What was given: the last value of each option, all of a `multiple` one, and '' for a boolean one. */
export type OptionValues<Table extends OptionTable> = {
  [Name in keyof Table]?: Table[Name] extends { multiple: true } ? string[] : string;
};

/**
 * @param positionals - takes what belongs to no option; without it, that is an error
 * @throws UsageError for what is unknown, has no value where it needs one, or has one where it takes none
 */
export function readValues<Table extends OptionTable>(
  args: readonly string[],
  options: Table,
  positionals?: string[],
): OptionValues<Table> {
  // Not strict: its messages do not list what is known.
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Partial<Record<string, string | string[]>> = {};
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (positionals !== undefined) {
        positionals.push(token.value);
        continue;
      }
      throw new UsageError(`"${token.value}" belongs to no option; see --help`);
    }
    if (token.kind !== 'option') continue;
    if (!Object.hasOwn(options, token.name)) {
      const known = Object.keys(options).map((name) => `--${name}`);
      throw new UsageError(`unknown option ${token.rawName}; known are ${known.join(', ')}`);
    }
    const takesValue = options[token.name]?.type === 'string';
    if (takesValue && (token.value === undefined || token.value === ''))
      throw new UsageError(`--${token.name} needs a value`);
    if (!takesValue && token.value !== undefined) throw new UsageError(`--${token.name} takes no value`);
    const value = token.value ?? '';
    if (options[token.name]?.multiple !== true) values[token.name] = value;
    else values[token.name] = [...(values[token.name] ?? []), value];
  }
  return values as OptionValues<Table>;
}

export function readInteger(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > max) {
    throw new UsageError(`--${name} takes an integer from 1 to ${max}, not ${JSON.stringify(text)}`);
  }
  return value;
}

/** Any finite number. */
export function readNumber(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) {
    throw new UsageError(`--${name} takes a number, not ${JSON.stringify(text)}`);
  }
  return value;
}

/** A number of seconds above 0 and up to an hour. */
export function readSeconds(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 3600)) {
    throw new UsageError(`--${name} takes a number above 0 and up to 3600, not ${JSON.stringify(text)}`);
  }
  return value;
}

export function readChoice<T extends string>(
  name: string,
  text: string | undefined,
  choices: readonly T[],
): T | undefined {
  if (text === undefined) return undefined;
  const choice = choices.find((known) => known === text);
  if (choice === undefined)
    throw new UsageError(`--${name} takes ${choices.join(', ')}, not ${JSON.stringify(text)}`);
  return choice;
}

export function readRange(text: string): Range {
  const [, min, max] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(text) ?? [];
  const range = { min: Number(min), max: Number(max ?? min) };
  if (!(range.min >= 1 && range.min <= range.max)) {
    throw new UsageError(`--length takes tokens as MIN-MAX, such as 60-130, not ${JSON.stringify(text)}`);
  }
  return range;
}

export function readList(name: string, text: string, max = 1024): number[] {
  if (!/^\d+(,\d+)*$/.test(text)) {
    throw new UsageError(`--${name} takes a list such as 1,2,4, not ${JSON.stringify(text)}`);
  }
  return [...new Set(text.split(','))].map((item) => readInteger(name, item, max));
}

/** A list of names, each once. */
export function readChoices<T extends string>(name: string, text: string, choices: readonly T[]): T[] {
  return [...new Set(text.split(','))].map((item) => readChoice(name, item, choices) as T);
}

/** The one positional argument: the model's folder, or undefined for the embedded model. */
export function readModel(positionals: readonly string[]): string | undefined {
  const [model, extra] = positionals;
  if (extra !== undefined) {
    throw new UsageError(`expected one MODEL but received ${positionals.length}: ${positionals.join(', ')}`);
  }
  if (model === '') throw new UsageError('expected the path of a model folder for MODEL but received ""');
  return model;
}
