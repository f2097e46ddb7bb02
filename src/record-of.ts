/** A record with a value for every key of a closed list. */
export function recordOf<Key extends string, Value>(
  keys: readonly Key[],
  valueOf: (key: Key, position: number) => Value,
): Record<Key, Value> {
  return Object.fromEntries(keys.map((key, position) => [key, valueOf(key, position)])) as Record<Key, Value>;
}
