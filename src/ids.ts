import { hash, randomFillSync } from "node:crypto";

type Brand<Name extends string> = { readonly __brand: Name };
export type TenantId = string & Brand<"TenantId">;
export type CampaignId = string & Brand<"CampaignId">;
export type ReceiptId = string & Brand<"ReceiptId">;
export type DeadLetterId = string & Brand<"DeadLetterId">;
export type ApiKeyId = string & Brand<"ApiKeyId">;
export type AuditEntryId = string & Brand<"AuditEntryId">;
/** A recipient as everything but the table of addresses knows them: an HMAC, in the form of a UUID. */
export type RecipientKey = string & Brand<"RecipientKey">;
/** The hash that an event is told by within its tenant, in the form of a UUID. */
export type EventKey = string & Brand<"EventKey">;
/** The hash of a link's URL, in the form of a UUID; the nil UUID for the links past a campaign's limit. */
export type LinkKey = string & Brand<"LinkKey">;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a text is a UUID in PostgreSQL's own spelling: lower case, with hyphens. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

const pool = new Uint8Array(4096);
let used = pool.length;

/** A UUIDv7 of the given time (RFC 9562): sorts by millisecond, 74 random bits after it. */
export function uuidv7(epochMs: number = Date.now()): string {
  if (used + 10 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeUIntBE(epochMs, 0, 6);
  bytes.set(pool.subarray(used, used + 10), 6);
  used += 10;
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return uuidOfBytes(bytes);
}

let sequenceMs = -1;
let sequence = 0;

/** A UUIDv7 that sorts after those of the same millisecond that this process made before (RFC 9562, 6.2, method 1). */
export function orderedUuidv7(epochMs: number): string {
  sequence = epochMs === sequenceMs ? (sequence + 1) & 0xfff : 0;
  sequenceMs = epochMs;
  const id = uuidv7(epochMs);
  return `${id.slice(0, 15)}${sequence.toString(16).padStart(3, "0")}${id.slice(18)}`;
}

/** 16 bytes in the text form of a UUID, whatever their bits: PostgreSQL keeps such hashes in 16 bytes without a header. */
export function uuidOfBytes(bytes: Buffer): string {
  return uuidOfHex(bytes.toString("hex", 0, 16));
}

/** The first 32 hexadecimal digits in the text form of a UUID. */
export function uuidOfHex(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/** The first 128 bits of a text's SHA-256, in the form of a UUID. */
export function hashToUuid(text: string): string {
  return uuidOfHex(hash("sha256", text, "hex"));
}

/** The nil UUID. */
export const NIL_UUID = "00000000-0000-0000-0000-000000000000";
/** The greatest UUID there is. */
export const MAX_UUID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** An opaque id for the outside: the type and what finds one object of it. */
export function encodeGlobalId(type: string, ...parts: readonly string[]): string {
  return Buffer.from([type, ...parts].join(":")).toString("base64url");
}

/** The parts of an id of that type, or null where it is none. */
export function decodeGlobalId(type: string, id: string): string[] | null {
  const [found, ...parts] = Buffer.from(id, "base64url").toString("utf8").split(":");
  return found === type ? parts : null;
}

/** The type that an opaque id says it is of. */
export function typeOfGlobalId(id: string): string {
  return Buffer.from(id, "base64url").toString("utf8").split(":", 1)[0] ?? "";
}

/** The UUID in an id of a type that is found by one alone, or null. */
export function uuidOfGlobalId(type: string, id: string): string | null {
  const uuid = decodeGlobalId(type, id)?.[0];
  return uuid !== undefined && isUuid(uuid) ? uuid : null;
}
