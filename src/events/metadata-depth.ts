/** So deep at most do objects and lists stand in each other: whoever reads them later may do so by recursion. */
export const MAX_METADATA_DEPTH = 100;

/** Whether no program may walk through it by recursion. Throws at no depth. */
export function isTooDeep(value: unknown, depth = 1): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth > MAX_METADATA_DEPTH || Object.values(value).some((inner) => isTooDeep(inner, depth + 1));
}
