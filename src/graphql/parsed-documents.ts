import type { DocumentNode } from "graphql";
import { LRUCache } from "lru-cache";

/** Of the documents' texts. Parsed, each character takes about 80 bytes: 20 MB in all. */
const MAX_CHARS = 250_000;

export interface ParsedDocument {
  readonly document: DocumentNode;
  /** SHA-256 of the text, in hexadecimal digits. */
  readonly hash: string;
}

const HASH_DIGITS = 64;

/**
 * Documents that were parsed and found valid, for the next time. Apollo's own store counts a document as its JSON, of which it keeps
 * 30 MB: that many documents with a date of their own in their text, as some clients send them, are 150 MB of memory.
 */
export class ParsedDocuments {
  readonly #documents = new LRUCache<string, DocumentNode>({
    maxSize: MAX_CHARS,
    dispose: (document) => this.#byText.delete(textOf(document) ?? ""),
  });
  readonly #byText = new Map<string, string>();

  /** By its text. */
  find(text: string): ParsedDocument | undefined {
    const key = this.#byText.get(text);
    const document = key === undefined ? undefined : this.#documents.get(key);
    return key === undefined || document === undefined ? undefined : { document, hash: key.slice(-HASH_DIGITS) };
  }

  /** By Apollo's key, which ends with the text's hash. */
  async get(key: string): Promise<DocumentNode | undefined> {
    return this.#documents.get(key);
  }

  async set(key: string, document: DocumentNode): Promise<void> {
    const text = textOf(document);
    this.#documents.set(key, document, { size: Math.max(1, text?.length ?? MAX_CHARS) });
    if (text !== undefined && this.#documents.has(key)) this.#byText.set(text, key);
  }

  async delete(key: string): Promise<void> {
    this.#documents.delete(key);
  }
}

function textOf(document: DocumentNode): string | undefined {
  return document.loc?.source.body;
}
