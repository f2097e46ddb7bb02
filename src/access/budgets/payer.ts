import { hash } from "node:crypto";
import type { Principal } from "../principal.js";

/**
 * Who pays for what a principal asks: the API key, whichever of its secrets was shown, or the user, whichever token. One
 * partner's flood throttles that partner's key, and none of the tenant's others. A user is told by a hash: names are no matter
 * of Redis's.
 */
export function payerOf(principal: Principal): string {
  const { tenantId } = principal;
  if (principal.kind === "API_KEY") return `${tenantId}:${principal.keyId}`;
  const { issuer, subject } = principal.user;
  return `${tenantId}:${hash("sha256", JSON.stringify([issuer, subject]), "base64url")}`;
}
