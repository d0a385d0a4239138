/** A terminal shows most East Asian characters two columns wide. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;

/** A text as one line: nothing in it moves the cursor of a terminal. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}

/** A text as one line of at most so many columns. */
export function shorten(text: string, columns: number): string {
  let used = 0;
  let out = '';
  for (const character of oneLine(text)) {
    const width = WIDE.test(character) ? 2 : 1;
    if (used + width > columns - 1) return `${out}…`;
    used += width;
    out += character;
  }
  return out;
}
