const NUL = "\u0000";

/** What keeps PostgreSQL from holding a text, to be read after "holds"; null for a text that it can hold. */
export function faultOfText(text: string): "a NUL character" | "a lone surrogate" | null {
  if (text.includes(NUL)) return "a NUL character";
  return text.isWellFormed() ? null : "a lone surrogate";
}

/** Whether a trimmed text can name a thing on one line: 1 to `maxChars` characters (code points), no control characters. */
export function isName(text: string, maxChars: number): boolean {
  return text !== "" && Array.from(text).length <= maxChars && !/\p{Cc}/u.test(text) && text.isWellFormed();
}
