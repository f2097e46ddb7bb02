/**
 * What a cached answer is found by. Everything that the answer depends on is hashed into its address: the version of the
 * tenant's data, so that an answer from before a change is not found after it; and the reader's whole authority, so that
 * nobody finds what they may not see.
 */
import { hash } from "node:crypto";
import type { TenantId } from "../ids.js";
import { orderedJson } from "../ordered-json.js";
import type { JsonValue } from "./json-value.js";

export interface CacheKey {
  readonly tenantId: TenantId;
  /** Of the tenant's data, read before this key is used. */
  readonly version: number;
  /** The principal's whole authority, in a spelling that is the same for equals. */
  readonly authority: string;
  /** What is asked. Also names the shape of the answer: when that changes, so must this name or the format. */
  readonly name: string;
  readonly args: JsonValue;
}

/** Where an answer lies, and of which state of whose data it is. */
export interface Place {
  readonly address: string;
  readonly tenantId: TenantId;
  readonly version: number;
}

/** Part of every address, so that programs of two versions never read each other's answers. */
const CACHE_FORMAT = 1;

export function placeOf(key: CacheKey): Place {
  return { address: addressOf(key), tenantId: key.tenantId, version: key.version };
}

/** Where the answer lies, in the process and in Redis. Operators can read the tenant in it, and nothing else. */
export function addressOf(key: CacheKey): string {
  const { tenantId, version, authority, name, args } = key;
  const parts = orderedJson([CACHE_FORMAT, tenantId, version, authority, name, args], { finite: true });
  return `mailtally:${tenantId}:${hash("sha256", parts, "base64url")}`;
}
