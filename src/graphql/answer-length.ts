import { JsonText } from "./json-text.js";

/**
 * Whether an answer is longer than so many characters, about: as JSON, where every character of a text is one. Found out before it is
 * printed, by going through no more of it than that: what aliases repeat is one object in memory, and only printed is it many.
 */
export function isLonger(answer: object, maxChars: number): boolean {
  return charsOf(answer, maxChars) > maxChars;
}

/** Braces, quotes, and the comma or colon behind it. */
const PUNCTUATION = 3;

/** Stops where it is past the limit. */
function charsOf(value: unknown, maxChars: number): number {
  if (typeof value === "string") return value.length + PUNCTUATION;
  // Of numbers a digit: what is long is not made of them.
  if (typeof value !== "object" || value === null) return PUNCTUATION;
  if (value instanceof JsonText) return value.bytes.length;
  let chars = PUNCTUATION;
  if (Array.isArray(value)) {
    for (const item of value) {
      chars += charsOf(item, maxChars - chars);
      if (chars > maxChars) break;
    }
    return chars;
  }
  for (const name of Object.keys(value)) {
    chars += name.length + PUNCTUATION;
    chars += charsOf((value as Readonly<Record<string, unknown>>)[name], maxChars - chars);
    if (chars > maxChars) break;
  }
  return chars;
}
