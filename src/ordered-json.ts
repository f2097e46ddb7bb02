interface Options {
  /** For input, where null and left out mean the same; elsewhere metadata that holds a null is not metadata without it. */
  readonly withoutNulls?: boolean;
  /** Throw TypeError for NaN and Infinity, which JSON writes as null. */
  readonly finite?: boolean;
}

/**
 * JSON with the members of every object in order and undefined ones left out: what is hashed, signed or made a key of must
 * be equal for equal content.
 */
export function orderedJson(value: unknown, { withoutNulls = false, finite = false }: Options = {}): string {
  return JSON.stringify(value, (_member, inner: unknown) => {
    if (finite && typeof inner === "number" && !Number.isFinite(inner)) throw new TypeError(`JSON has no ${inner}`);
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    const members = withoutNulls ? Object.entries(inner).filter(([, held]) => held !== null) : Object.entries(inner);
    return Object.fromEntries(members.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
