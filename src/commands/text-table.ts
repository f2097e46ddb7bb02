const GAP = "  ";
// Texts come from errors and events: what moves a terminal's cursor must not.
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\u2028\u2029]+/gu;

/** One line, safe on a terminal. */
export function lineOf(text: string): string {
  return text.replaceAll(CONTROL_CHARACTERS, " ").trim();
}

/** Rows under a heading, in columns as wide as what they hold; the last column ends the line. */
export function textTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heading, ...rows.map((row) => row.map((cell) => lineOf(cell)))];
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) => `${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(GAP)}`.trimEnd())
    .map((line) => `${line}\n`)
    .join("");
}
