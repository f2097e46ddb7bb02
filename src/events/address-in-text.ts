/** Finds an address where a source has put it beside the field for it: a diagnostic, a link's parameters, metadata. */

/** What the address is replaced by in events of which no address is kept. */
export const WITHHELD_ADDRESS = "(address)";

/**
 * The address as it stands, in any case, and percent-encoded. Null for a recipient that is no address: "42" is found in every
 * text, and says nothing there.
 */
export function addressPattern(address: string): RegExp | null {
  if (!address.includes("@")) return null;
  const encoded = encodeURIComponent(address);
  const spellings = new Set([address, address.replaceAll("@", "%40"), encoded, encodeURIComponent(encoded)]);
  const longestFirst = [...spellings].toSorted((one, other) => other.length - one.length);
  return new RegExp(
    longestFirst.map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)).join("|"),
    "gi",
  );
}

/** The same JSON, with the pattern replaced in each text, keys of objects included. */
export function replaceInJson(value: unknown, pattern: RegExp, by: string): unknown {
  if (typeof value === "string") return value.replace(pattern, by);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => replaceInJson(item, pattern, by));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key.replace(pattern, by), replaceInJson(inner, pattern, by)]),
  );
}
