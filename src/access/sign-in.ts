import type { Authenticator } from "./authenticator.js";
import type { Principal } from "./principal.js";
import type { TokenAuthenticator } from "./token-authenticator.js";

/** Three parts with dots between them, as no key has. */
const TOKEN = /^bearer +([\w-]+\.[\w-]+\.[\w-]*) *$/i;

/** Lets in by what a request's Authorization header holds: a key, or a token where tokens are taken. Throws as they do. */
export function createSignIn(doors: { readonly keys: Authenticator; readonly tokens: TokenAuthenticator | null }) {
  return async (authorizationHeader: string): Promise<Principal> => {
    const token = doors.tokens === null ? undefined : TOKEN.exec(authorizationHeader)?.[1];
    if (doors.tokens === null || token === undefined) return doors.keys.authenticate(authorizationHeader);
    return doors.tokens.authenticate(token);
  };
}
