import type { Storage } from "@graphiql/toolkit";

const NAMESPACE = "graphiql:";

function ownKeys(): string[] {
  return Object.keys(localStorage).filter((key) => key.startsWith(NAMESPACE));
}

/**
 * Local storage that drops every `headers` on the way in. `shouldPersistHeaders: false` covers the tabs, but GraphiQL's
 * history writes the headers of each request beside its query, and a key typed there would outlive the session.
 */
export const storageWithoutHeaders: Storage = {
  getItem: (key) => localStorage.getItem(key),
  removeItem: (key) => localStorage.removeItem(key),
  setItem(key, value) {
    if (key === `${NAMESPACE}headers`) return;
    localStorage.setItem(key, withoutHeaders(value));
  },
  clear() {
    for (const key of ownKeys()) localStorage.removeItem(key);
  },
  get length() {
    return ownKeys().length;
  },
};

/** Everything GraphiQL stores as JSON is an object (tabs, history, favourites); the rest is plain text and stays as it is. */
function withoutHeaders(value: string): string {
  if (!value.startsWith("{")) return value;
  try {
    return JSON.stringify(JSON.parse(value), (key, inner: unknown) => (key === "headers" ? null : inner));
  } catch {
    return value;
  }
}
