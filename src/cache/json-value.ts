/** What JSON can hold. Types for it are written as aliases: an interface is not assignable to an index signature. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [member: string]: JsonValue | undefined };

const BYTES_PER_VALUE = 16;
const BYTES_PER_CHARACTER = 2;

/** Freezes a value to its depths and returns about how many bytes it takes in memory. */
export function freezeAndWeigh(value: JsonValue): number {
  if (typeof value === "string") return BYTES_PER_VALUE + value.length * BYTES_PER_CHARACTER;
  if (typeof value !== "object" || value === null) return BYTES_PER_VALUE;
  Object.freeze(value);
  let bytes = BYTES_PER_VALUE;
  if (isList(value)) {
    for (const inner of value) bytes += BYTES_PER_VALUE + freezeAndWeigh(inner);
    return bytes;
  }
  for (const inner of Object.values<JsonValue | undefined>(value)) {
    // A member's name is shared by all objects of the same shape.
    bytes += BYTES_PER_VALUE + (inner === undefined ? 0 : freezeAndWeigh(inner));
  }
  return bytes;
}

function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}
