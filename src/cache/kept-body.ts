import { copyToKeep } from "../copy-to-keep.js";

/**
 * The body of an answer that is sent again and again with the extensions of each request behind its data. These are mostly the
 * ones of the time before: then it is the very same bytes, which cost nothing to make and may be remembered compressed. Only
 * one copy is held.
 */
export class KeptBody {
  #bytes: Buffer;
  /** Where the object's last brace stands that has no extensions. */
  readonly #end: number;
  #extensions: string | null = null;

  /** `bytes`: an object, as JSON, without extensions. */
  constructor(bytes: Buffer) {
    this.#bytes = copyToKeep(bytes);
    this.#end = bytes.lastIndexOf("}");
  }

  /** Of the data. */
  get byteLength(): number {
    return this.#end + 2;
  }

  /** Without extensions. */
  get plain(): Buffer {
    return Buffer.concat([this.#bytes.subarray(0, this.#end), Buffer.from("}\n")]);
  }

  /** With these, an object as JSON. */
  with(extensions: string): Buffer {
    if (extensions !== this.#extensions) {
      const tail = Buffer.from(`,"extensions":${extensions}}\n`);
      this.#bytes = copyToKeep(Buffer.concat([this.#bytes.subarray(0, this.#end), tail]));
      this.#extensions = extensions;
    }
    return this.#bytes;
  }
}
