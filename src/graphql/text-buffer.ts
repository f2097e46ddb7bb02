/**
 * A text that is put together of many short pieces. As a string each piece would be an object of 32 bytes that points to the one
 * before: 260 kB for the series of a page, which garbage collection then walks through.
 */
export class TextBuffer {
  #bytes = Buffer.allocUnsafeSlow(BYTES);
  #length = 0;

  /** Begins anew. */
  clear(): void {
    // One text may be very long.
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(BYTES);
    this.#length = 0;
  }

  /** UTF-8. */
  bytes(piece: Uint8Array): void {
    const end = this.#length + piece.length;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(piece, this.#length);
    this.#length = end;
  }

  text(piece: string): void {
    const end = this.#length + piece.length * MAX_BYTES_PER_CHAR;
    if (end > this.#bytes.length) this.#grow(end);
    this.#length += this.#bytes.write(piece, this.#length);
  }

  /** As `${value}` writes it. */
  number(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > MAX_INT32) return this.text(`${value}`);
    let end = this.#length + 1;
    for (let rest = value; rest >= 10; rest = (rest / 10) | 0) end++;
    if (end > this.#bytes.length) this.#grow(end);
    let at = (this.#length = end);
    let rest = value;
    do {
      const tens = (rest / 10) | 0;
      this.#bytes[--at] = ZERO + rest - tens * 10;
      rest = tens;
    } while (rest > 0);
  }

  /** What was written since it was begun, and begins anew. */
  read(): string {
    const text = this.#bytes.toString("utf8", 0, this.#length);
    this.clear();
    return text;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

const BYTES = 16_384;
const MAX_KEPT_BYTES = 1_000_000;
const MAX_BYTES_PER_CHAR = 3;
const MAX_INT32 = 2 ** 31 - 1;
const ZERO = 48;
