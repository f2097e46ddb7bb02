/**
 * Cuts a file into lines in bounded memory: nothing is kept but the line that is still open, and of one that grows too long
 * not even that. A whole block of lines is decoded at once, which is several times faster than node:readline.
 */
import { isUtf8 } from "node:buffer";

export interface Line {
  /** In the file, from 1. */
  readonly number: number;
  /** Up to the line feed, a carriage return before it included: inside quotes it is content. Empty where there is a fault. */
  readonly text: string;
  readonly fault: LineFault | null;
}

export type LineFault = "TOO_LONG" | "NOT_UTF8";

const NEWLINE = 10;
const BYTE_ORDER_MARK = "\uFEFF";

export class LineSplitter {
  readonly #maxLineBytes: number;
  #open: Buffer[] = [];
  #openBytes = 0;
  #discarding = false;
  #next = 1;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** The lines that end in this chunk. */
  push(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    if (this.#discarding) {
      const end = chunk.indexOf(NEWLINE);
      if (end < 0) return lines;
      this.#discarding = false;
      lines.push(this.#faulty("TOO_LONG"));
      start = end + 1;
    }
    const last = chunk.lastIndexOf(NEWLINE);
    if (last >= start) {
      this.#split(this.#takeOpen(chunk.subarray(start, last)), lines);
      start = last + 1;
    }
    this.#keepOpen(chunk.subarray(start));
    return lines;
  }

  /** The last line, where the file does not end with a line break. */
  end(): Line[] {
    if (this.#discarding) return [this.#faulty("TOO_LONG")];
    if (this.#openBytes === 0) return [];
    const lines: Line[] = [];
    this.#split(this.#takeOpen(Buffer.alloc(0)), lines);
    return lines;
  }

  #keepOpen(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#open.push(rest);
    this.#openBytes += rest.length;
    if (this.#openBytes <= this.#maxLineBytes) return;
    this.#open = [];
    this.#openBytes = 0;
    this.#discarding = true;
  }

  #takeOpen(end: Buffer): Buffer {
    const block = this.#open.length === 0 ? end : Buffer.concat([...this.#open, end]);
    this.#open = [];
    this.#openBytes = 0;
    return block;
  }

  #split(block: Buffer, lines: Line[]): void {
    if (isUtf8(block)) {
      for (const text of block.toString("utf8").split("\n")) lines.push(this.#line(text));
      return;
    }
    // Rare, so that it may be slow: a line break is never part of another character, and each line stands for itself.
    for (let start = 0; start <= block.length;) {
      const found = block.indexOf(NEWLINE, start);
      const end = found < 0 ? block.length : found;
      const bytes = block.subarray(start, end);
      lines.push(isUtf8(bytes) ? this.#line(bytes.toString("utf8")) : this.#faulty("NOT_UTF8"));
      start = end + 1;
    }
  }

  #line(given: string): Line {
    const max = this.#maxLineBytes;
    // A character has at most three bytes for each of its UTF-16 units, so that most lines need no second look.
    if (given.length * 3 > max && Buffer.byteLength(given) > max) return this.#faulty("TOO_LONG");
    const text = this.#next === 1 && given.startsWith(BYTE_ORDER_MARK) ? given.slice(1) : given;
    return { number: this.#next++, text, fault: null };
  }

  #faulty(fault: LineFault): Line {
    return { number: this.#next++, text: "", fault };
  }
}
