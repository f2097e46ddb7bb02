/**
 * Texts that are put together of many short pieces, as bytes, one after the other in blocks that they share. As a string each piece would
 * be an object of 32 bytes that points to the one before: 260 kB for the series of a page, which garbage collection then walks through.
 */
export class TextBuffer {
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #view = viewOf(this.#block);
  /** Where the text under way begins and ends. What stands before it was handed out. */
  #start = 0;
  #end = 0;

  /** Begins the text anew. */
  clear(): void {
    this.#end = this.#start;
  }

  /** Eight characters at a time: of such short ones TypedArray.set copies half as many. What it writes behind its end is written over. */
  piece({ length, words }: TextPiece): void {
    if (this.#end + words.length * 8 > this.#block.length) this.#makeRoom(words.length * 8);
    let at = this.#end;
    for (let word = 0; word < words.length; word++, at += 8) this.#view.setFloat64(at, words[word] ?? 0, true);
    this.#end += length;
  }

  text(piece: string): void {
    const needed = piece.length * MAX_BYTES_PER_CHAR;
    if (this.#end + needed > this.#block.length) this.#makeRoom(needed);
    this.#end += this.#block.write(piece, this.#end);
  }

  /** As `${value}` writes it. */
  number(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > MAX_INT32) return this.text(`${value}`);
    let digits = 1;
    for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++;
    if (this.#end + digits > this.#block.length) this.#makeRoom(digits);
    let at = (this.#end += digits);
    let rest = value;
    do {
      const tens = (rest / 10) | 0;
      this.#block[--at] = ZERO + rest - tens * 10;
      rest = tens;
    } while (rest > 0);
  }

  /** What was written since it was begun, and begins the next one. It keeps its block alive: whoever keeps it for long has to copy it. */
  read(): Buffer {
    const text = this.#block.subarray(this.#start, this.#end);
    this.#start = this.#end;
    // What comes next would keep a long text's block alive.
    if (this.#block.length > BLOCK_BYTES) this.#goOn(BLOCK_BYTES);
    return text;
  }

  #makeRoom(bytes: number): void {
    const needed = this.#end - this.#start + bytes;
    // Twice as much where one text does not fit into a block, as it may go on.
    this.#goOn(needed <= BLOCK_BYTES ? BLOCK_BYTES : needed * 2);
  }

  /** With the text under way, in another block. */
  #goOn(blockBytes: number): void {
    const block = Buffer.allocUnsafeSlow(blockBytes);
    this.#end = this.#block.copy(block, 0, this.#start, this.#end);
    this.#start = 0;
    this.#block = block;
    this.#view = viewOf(block);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** A short text that is written often. Of ASCII alone: no eight of its characters are a NaN, whose bits need not stay as they are. */
export class TextPiece {
  readonly length: number;
  /** Its bytes, eight in each. */
  readonly words: Float64Array;

  constructor(text: string) {
    if (!/^[ -~]*$/.test(text)) throw new TypeError("A piece is printable ASCII");
    this.length = text.length;
    const bytes = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
    this.words = Float64Array.from({ length: bytes.length / 8 }, (_, at) => bytes.readDoubleLE(at * 8));
  }
}

const BLOCK_BYTES = 65_536;
const MAX_BYTES_PER_CHAR = 3;
const MAX_INT32 = 2 ** 31 - 1;
const ZERO = 48;
