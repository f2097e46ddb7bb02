/**
 * The form of a key's secret: `mt_<prefix>_<random><checksum>`, letters and digits alone, so that a double click selects it.
 *
 *   prefix    8 characters, not secret: shown in lists, and what the key is looked up by
 *   random    43 characters, 256 bits
 *   checksum  6 characters: CRC-32 of all before it, in base 62
 *
 * The checksum guards nothing against those who know it. It lets scanners of repositories and logs tell a leaked key from
 * text that looks like one, and spares a mistyped key the way to the database.
 */
import { hash, randomBytes, randomInt } from "node:crypto";
import { crc32 } from "node:zlib";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX_CHARS = 8;
const RANDOM_CHARS = 43;
const CHECKSUM_CHARS = 6;
const SECRET = new RegExp(`^mt_([0-9A-Za-z]{${PREFIX_CHARS}})_[0-9A-Za-z]{${RANDOM_CHARS + CHECKSUM_CHARS}}$`);

/** What is kept of a secret: nothing that the secret could be told from. */
export interface KeyFingerprint {
  readonly prefix: string;
  /** SHA-256 of the whole secret. With 256 random bits in it there is nothing to guess, so no slow hash is needed. */
  readonly hash: Buffer;
}

/** A new secret, to be shown once, and what is kept of it. */
export function mintKeySecret(): KeyFingerprint & { readonly secret: string } {
  const prefix = Array.from({ length: PREFIX_CHARS }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
  const random = toBase62(BigInt(`0x${randomBytes(32).toString("hex")}`), RANDOM_CHARS);
  const body = `mt_${prefix}_${random}`;
  const secret = body + checksumOf(body);
  return { secret, prefix, hash: hashOf(secret) };
}

/** What a presented secret is compared by, or null where it cannot be one. */
export function parseKeySecret(text: string): KeyFingerprint | null {
  const prefix = SECRET.exec(text)?.[1];
  if (prefix === undefined) return null;
  if (checksumOf(text.slice(0, -CHECKSUM_CHARS)) !== text.slice(-CHECKSUM_CHARS)) return null;
  return { prefix, hash: hashOf(text) };
}

/** In base 62, as toBase62 has it: of 32 bits, and every request comes by here, where a bigint takes longer than the hash. */
function checksumOf(body: string): string {
  let digits = "";
  for (let rest = crc32(body); digits.length < CHECKSUM_CHARS; rest = Math.floor(rest / ALPHABET.length)) {
    digits = ALPHABET.charAt(rest % ALPHABET.length) + digits;
  }
  return digits;
}

function hashOf(secret: string): Buffer {
  return hash("sha256", secret, "buffer");
}

function toBase62(value: bigint, length: number): string {
  const base = BigInt(ALPHABET.length);
  let rest = value;
  let digits = "";
  while (digits.length < length) {
    digits = ALPHABET.charAt(Number(rest % base)) + digits;
    rest /= base;
  }
  return digits;
}
