/**
 * The API key lives in this browser tab's session and nowhere else: not in an address, not in local storage, not in a
 * cookie. Closing the tab forgets it.
 */
const SESSION_ITEM = "mailtally:api-key";

/** What a paste may bring along: white space and the scheme's name before the key. */
function clean(typed: string): string {
  return typed.trim().replace(/^bearer\s+/i, "");
}

/** The key of this tab; an empty string where there is none. */
export function readApiKey(): string {
  return sessionStorage.getItem(SESSION_ITEM) ?? "";
}

/** Keeps what was typed as this tab's key, an empty field forgetting it; says whether that changed anything. */
export function keepApiKey(typed: string): boolean {
  const key = clean(typed);
  if (key === readApiKey()) return false;
  if (key === "") sessionStorage.removeItem(SESSION_ITEM);
  else sessionStorage.setItem(SESSION_ITEM, key);
  return true;
}
