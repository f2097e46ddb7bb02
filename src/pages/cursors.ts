/**
 * A cursor is a place in one list: what the list is ordered by, of one row. It is opaque and signed, so that nobody walks
 * past a filter or into another tenant's list with one: the signature covers the tenant, the list, its filter and its
 * order, none of which the cursor itself says. So a forged cursor and one of another list look the same, and are answered
 * the same. What it holds is signed, not encrypted: only what its reader was shown may go in.
 *
 * The bytes, as base64url: version (1), signature (16, of an HMAC-SHA-256), position (JSON).
 */
import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from "node:crypto";
import { PublicError } from "../errors.js";
import type { TenantId } from "../ids.js";
import { orderedJson } from "../ordered-json.js";

/** Which list a cursor is from. Values that mean the same must be equal here: "no filter" has one spelling. */
export interface CursorBinding {
  readonly tenantId: TenantId;
  readonly list: string;
  /** Any JSON. */
  readonly filter: unknown;
  /** Any JSON. */
  readonly order: unknown;
}

/** What the rows of a list are ordered by, of one row. Numbers are finite. */
export type CursorPosition = readonly (string | number | null)[];

/** Rises when positions or bindings change their meaning; cursors of another version are refused. */
const VERSION = 1;
const SIGNATURE_BYTES = 16;
const POSITION_START = 1 + SIGNATURE_BYTES;
/** Far more than the longest name of a campaign needs. */
const MAX_CURSOR_CHARS = 16_384;

export class Cursors {
  readonly #secret: KeyObject;
  /** A page makes many cursors of one binding. */
  readonly #digests = new WeakMap<CursorBinding, Buffer>();

  constructor(secret: KeyObject) {
    // A key of its own, so that no other use of the secret can produce a signature.
    this.#secret = createSecretKey(createHmac("sha256", secret).update("cursors").digest());
  }

  encode(binding: CursorBinding, position: CursorPosition): string {
    const json = Buffer.from(JSON.stringify(position));
    return Buffer.concat([Buffer.of(VERSION), this.#sign(binding, json), json]).toString("base64url");
  }

  /** Throws BAD_CURSOR, naming the argument, unless `encode` made the cursor for an equal binding. */
  decode(binding: CursorBinding, cursor: string, argument: "after" | "before"): CursorPosition {
    const bytes = Buffer.from(cursor.slice(0, MAX_CURSOR_CHARS), "base64url");
    const json = bytes.subarray(POSITION_START);
    if (
      bytes[0] !== VERSION ||
      json.length === 0 ||
      !timingSafeEqual(bytes.subarray(1, POSITION_START), this.#sign(binding, json))
    ) {
      const message = `${argument} is not a cursor of this list with this filter and order. Begin again without it.`;
      throw new PublicError("BAD_CURSOR", message, { field: [argument] });
    }
    return JSON.parse(json.toString()) as CursorPosition;
  }

  #sign(binding: CursorBinding, position: Buffer): Buffer {
    let digest = this.#digests.get(binding);
    if (digest === undefined) {
      const { tenantId, list, filter, order } = binding;
      digest = hash("sha256", orderedJson([tenantId, list, filter, order]), "buffer");
      this.#digests.set(binding, digest);
    }
    const hmac = createHmac("sha256", this.#secret).update(Buffer.of(VERSION)).update(digest).update(position);
    return hmac.digest().subarray(0, SIGNATURE_BYTES);
  }
}
