import { LRUCache } from "lru-cache";

const one = (): number => 1;

/**
 * Keeps so many entries, the last used ones, and takes memory as they come. lru-cache itself lays out room for all of its `max` at once,
 * half a megabyte for 20,000 that may never be there; bounded by their size, which is 1 for each, it does not.
 */
export function growingLru<K extends {}, V extends {}>(
  maxEntries: number,
  { ttlMs = 0 }: { readonly ttlMs?: number } = {},
): LRUCache<K, V> {
  return new LRUCache<K, V>({ maxSize: maxEntries, sizeCalculation: one, ttl: ttlMs });
}
