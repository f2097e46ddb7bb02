/** What a key may open, in the order in which scopes are always listed. PostgreSQL's enum `scope` names the same. */
export const SCOPES = [
  "READ_METRICS",
  "READ_EVENTS",
  "WRITE_EVENTS",
  "MANAGE_CAMPAIGNS",
  "MANAGE_KEYS",
  "OPERATE",
  "MANAGE_RECIPIENTS",
] as const;
export type Scope = (typeof SCOPES)[number];

/** What a key may hold that is limited to some campaigns: to read them. */
export const LIMITED_SCOPES: readonly Scope[] = ["READ_METRICS", "READ_EVENTS"];

/** Each once, in the order of SCOPES. A name this program does not know opens nothing: a newer one may have granted it. */
export function orderScopes(scopes: Iterable<string>): readonly Scope[] {
  const given = new Set(scopes);
  return SCOPES.filter((scope) => given.has(scope));
}
