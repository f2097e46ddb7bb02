/** Parts of an answer that are JSON already, and how the rest is printed around them. */
import { randomUUID } from "node:crypto";

/** A part of an answer as it is printed. */
export class JsonText {
  /** UTF-8. */
  readonly bytes: Buffer;
  /** Of a list how many it holds, of an object how many the longest of the lists right below it holds; null where there is no list. */
  readonly rows: number | null;

  constructor(bytes: Buffer, rows: number | null) {
    this.bytes = bytes;
    this.rows = rows;
  }

  /** For whoever prints it without printJson, or while that goes on. */
  toJSON(): unknown {
    if (printed === null) return JSON.parse(this.bytes.toString());
    printed.push(this.bytes);
    return PLACE;
  }
}

/** Nobody outside can know it. */
const PLACE = `JSON ${randomUUID()}`;
const PLACE_PRINTED = JSON.stringify(PLACE);
/** The texts that were come by, in their order, while printJson goes through a value. */
let printed: Uint8Array[] | null = null;

/** As JSON.stringify, which it leaves to print all that is not yet text: each text's place is printed first, and then filled. */
export function printJson(value: object): JsonPieces {
  const texts: Uint8Array[] = (printed = []);
  let around: string[];
  try {
    around = JSON.stringify(value).split(PLACE_PRINTED);
  } finally {
    printed = null;
  }
  if (around.length !== texts.length + 1) throw new Error("A text has no place, or a place no text");
  return new JsonPieces(around, texts);
}

/** What was printed: strings, and between each two of them a text. */
export class JsonPieces {
  #around: string[];
  #texts: readonly Uint8Array[];

  constructor(around: string[], texts: readonly Uint8Array[]) {
    this.#around = around;
    this.#texts = texts;
  }

  /**
   * Puts it together, with `tail` in place of as many characters at its end. Once: where somebody had to wait for it, what waited may be
   * old, and what it holds would live until all garbage is collected (docs/decisions/0051).
   */
  take(tail: string, replaced: number): string | Buffer {
    const [around, texts] = [this.#around, this.#texts];
    this.#around = [];
    this.#texts = [];
    const last = around.pop();
    if (last === undefined) throw new Error("It was taken before");
    const end = last.slice(0, last.length - replaced);
    return texts.length === 0 && end.length <= MAX_STRING_CHARS ? end + tail : joined([...around, end], texts, tail);
  }
}

/** A string leaves in one piece with the answer's head, where bytes take another; it has to be short, as it is copied on its way. */
const MAX_STRING_CHARS = 1_000;

/** Written once, into its place: dashboards are 80 kB. */
function joined(around: readonly string[], texts: readonly Uint8Array[], tail: string): Buffer {
  let length = Buffer.byteLength(tail);
  for (const piece of around) length += Buffer.byteLength(piece);
  for (const text of texts) length += text.length;
  const bytes = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const [index, piece] of around.entries()) {
    at += bytes.write(piece, at);
    const text = texts[index];
    if (text === undefined) continue;
    bytes.set(text, at);
    at += text.length;
  }
  bytes.write(tail, at);
  return bytes;
}
