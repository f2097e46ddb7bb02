/** Parts of an answer that are JSON already, and how the rest is printed around them. */
import { randomUUID } from "node:crypto";

/** A part of an answer as the text that it is printed as. */
export class JsonText {
  readonly text: string;
  /** Of a list how many it holds, of an object how many the longest of the lists right below it holds; null where there is no list. */
  readonly rows: number | null;

  constructor(text: string, rows: number | null) {
    this.text = text;
    this.rows = rows;
  }

  /** For whoever prints it without printJson, or while that goes on. */
  toJSON(): unknown {
    if (printed === null) return JSON.parse(this.text);
    printed.push(this.text);
    return PLACE;
  }
}

/** Nobody outside can know it. */
const PLACE = `JSON ${randomUUID()}`;
const PLACE_PRINTED = JSON.stringify(PLACE);
/** The texts that were come by, in their order, while printJson goes through a value. */
let printed: string[] | null = null;

/** As JSON.stringify, which it leaves to print all that is not yet text: each text's place is printed first, and then filled. */
export function printJson(value: object): string {
  const texts: string[] = (printed = []);
  let around: string[];
  try {
    around = JSON.stringify(value).split(PLACE_PRINTED);
  } finally {
    printed = null;
  }
  if (around.length !== texts.length + 1) throw new Error("A text has no place, or a place no text");
  let whole = around[0] ?? "";
  for (const [at, text] of texts.entries()) whole += text + (around[at + 1] ?? "");
  return whole;
}
