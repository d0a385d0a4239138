/** A stretch of a text. */
export interface Range {
  start: number;
  end: number;
}

/** A stretch of lines that belong together: a heading, a paragraph, a list item, a table, a block of code. */
export interface Block extends Range {
  kind: 'heading' | 'prose' | 'lines';
  /** Of a heading: 1 to 6. */
  level?: number;
}

const HEADING = /^ {0,3}(#{1,6})(?:[ \t]|$)/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const LIST_ITEM = /^[ \t]*(?:(?:[-*+•]|\d{1,9}[.)])[ \t]+|[（(]?[一二三四五六七八九十]{1,3}[、）)])(?=\S)/u;
const TABLE_ROW = /^[ \t]*\|/;

/**
 * Cuts a text into blocks as Markdown (CommonMark) has them, and plain text too: headings of `#`, fenced code, tables,
 * list items, and paragraphs between empty lines. Every line that is not blank is in one block; blocks follow the text.
 */
export function* blocksOf(text: string): Generator<Block> {
  let open: Block | undefined;
  let fence: string | undefined;
  for (const line of linesOf(text)) {
    const content = text.slice(line.start, line.end);
    if (fence !== undefined) {
      if (open !== undefined) open.end = line.end;
      if (closes(content, fence)) fence = undefined;
      continue;
    }
    const opened = blockOpenedBy(content, open);
    if (open !== undefined && (opened !== undefined || content.trim() === '' || open.kind === 'heading')) {
      yield open;
      open = undefined;
    }
    if (content.trim() === '') continue;
    fence = FENCE.exec(content)?.[1];
    if (open === undefined) open = { ...(opened ?? { kind: 'prose' }), start: line.start, end: line.end };
    else open.end = line.end;
  }
  if (open !== undefined) yield open;
}

/** Each line without its end. */
export function* linesOf(
  text: string,
  { start, end }: Range = { start: 0, end: text.length },
): Generator<Range> {
  for (let first = start; first < end; ) {
    const found = text.indexOf('\n', first);
    const last = found === -1 || found > end ? end : found;
    yield { start: first, end: last };
    first = last + 1;
  }
}

/** What a line begins, whatever comes before it; undefined where it can go on with that. */
function blockOpenedBy(line: string, open: Block | undefined): Pick<Block, 'kind' | 'level'> | undefined {
  const heading = HEADING.exec(line);
  if (heading !== null) return { kind: 'heading', level: heading[1]?.length };
  if (FENCE.test(line)) return { kind: 'lines' };
  if (TABLE_ROW.test(line)) return open?.kind === 'lines' ? undefined : { kind: 'lines' };
  if (LIST_ITEM.test(line) || open?.kind === 'lines') return { kind: 'prose' };
  return undefined;
}

/** A fence is closed by one of the same character, at least as long, with nothing behind it. */
function closes(line: string, fence: string): boolean {
  const trimmed = line.trim();
  return trimmed.length >= fence.length && trimmed === (fence[0] as string).repeat(trimmed.length);
}
