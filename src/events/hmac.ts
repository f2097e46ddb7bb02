import { hash } from "node:crypto";

const BLOCK_BYTES = 64;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
const DIGEST_BYTES = 32;

/**
 * HMAC-SHA-256 of many short texts under one secret (RFC 2104), as two hashes over what is kept ready of them. Every event
 * passes here, and half of what createHmac takes goes into making its object.
 */
export class Hmac {
  /** The padded secret, and behind it room for a text. */
  #inner: Buffer;
  /** The padded secret, and behind it room for the inner hash. */
  readonly #outer: Buffer;

  /** The secret has at most 64 bytes. */
  constructor(secret: Uint8Array) {
    if (secret.length > BLOCK_BYTES) throw new TypeError("A secret of more than a block would have to be hashed first");
    this.#inner = Buffer.alloc(BLOCK_BYTES + 1_024, INNER_PAD);
    this.#outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES, OUTER_PAD);
    for (const [at, byte] of secret.entries()) {
      this.#inner[at] = byte ^ INNER_PAD;
      this.#outer[at] = byte ^ OUTER_PAD;
    }
  }

  /** In hexadecimal digits. */
  hex(text: string): string {
    const bytes = Buffer.byteLength(text);
    if (BLOCK_BYTES + bytes > this.#inner.length) {
      this.#inner = Buffer.concat([this.#inner.subarray(0, BLOCK_BYTES), Buffer.alloc(bytes)]);
    }
    this.#inner.write(text, BLOCK_BYTES);
    this.#outer.write(hash("sha256", this.#inner.subarray(0, BLOCK_BYTES + bytes), "binary"), BLOCK_BYTES, "binary");
    return hash("sha256", this.#outer, "hex");
  }
}
