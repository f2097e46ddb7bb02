import type { AuditActor, UserIdentity } from "../audit/audit-entry.js";
import { PublicError } from "../errors.js";
import type { ApiKeyId, TenantId } from "../ids.js";
import { LIMITED_SCOPES, orderScopes, type Scope } from "./scope.js";

/** What somebody may do for a tenant right now. */
interface Authority {
  readonly tenantId: TenantId;
  readonly scopes: ReadonlySet<Scope>;
  /** Held when a key was last looked up, and not to be relied on while it cannot be. */
  readonly unconfirmedScopes: ReadonlySet<Scope>;
  /** Campaigns are seen with any of these tags, and nothing of the others. Null: all are. */
  readonly campaignTags: readonly string[] | null;
  /**
   * Canonical text of all that an answer to this principal may depend on; part of every cache key. Two with the same
   * authority may share an answer. Whatever comes to bear on what a key or user sees must come in here too.
   */
  readonly authority: string;
}

export interface KeyPrincipal extends Authority {
  readonly kind: "API_KEY";
  readonly keyId: ApiKeyId;
}

/** Somebody whose token says for which tenant, and what. */
export interface UserPrincipal extends Authority {
  readonly kind: "USER";
  readonly user: UserIdentity;
}

/** Who asks. */
export type Principal = KeyPrincipal | UserPrincipal;

export function createPrincipal(
  tenantId: TenantId,
  keyId: ApiKeyId,
  scopes: Iterable<string>,
  options: Limits = {},
): KeyPrincipal {
  return { kind: "API_KEY", keyId, ...authorityOf(tenantId, scopes, options) };
}

export function createUserPrincipal(tenantId: TenantId, user: UserIdentity, scopes: Iterable<string>): UserPrincipal {
  return { kind: "USER", user, ...authorityOf(tenantId, scopes, {}) };
}

interface Limits {
  readonly unconfirmedScopes?: Iterable<string>;
  readonly campaignTags?: readonly string[] | null;
}

function authorityOf(tenantId: TenantId, scopes: Iterable<string>, options: Limits): Authority {
  const campaignTags = options.campaignTags?.toSorted() ?? null;
  const orderOpen = (given: Iterable<string>) =>
    // Whatever was granted: the other scopes' doors ask for no tags.
    orderScopes(given).filter((scope) => campaignTags === null || LIMITED_SCOPES.includes(scope));
  const ordered = orderOpen(scopes);
  return {
    tenantId,
    scopes: new Set(ordered),
    unconfirmedScopes: new Set(orderOpen(options.unconfirmedScopes ?? [])),
    campaignTags,
    authority: `${tenantId}:${ordered.join(",")}${campaignTags === null ? "" : `:${JSON.stringify(campaignTags)}`}`,
  };
}

/** The principal as the audit trail names it. */
export function actorOf(principal: Principal): AuditActor {
  if (principal.kind === "USER") return { kind: "USER", ...principal.user };
  return { kind: "API_KEY", keyId: principal.keyId };
}

/** Whether the principal holds one of these scopes. Throws UNAVAILABLE where that cannot be told at the moment. */
export function holdsScope(principal: Principal, ...anyOf: readonly [Scope, ...Scope[]]): boolean {
  if (anyOf.some((scope) => principal.scopes.has(scope))) return true;
  if (!anyOf.some((scope) => principal.unconfirmedScopes.has(scope))) return false;
  throw new PublicError("UNAVAILABLE", "API keys cannot be checked right now; try again.", { retryAfterSeconds: 1 });
}

/** Throws FORBIDDEN, naming what is missing, unless the principal holds one of these scopes; UNAVAILABLE as holdsScope. */
export function requireScope(principal: Principal, ...anyOf: readonly [Scope, ...Scope[]]): void {
  if (holdsScope(principal, ...anyOf)) return;
  throw new PublicError("FORBIDDEN", `This needs a key or token with the scope ${anyOf.join(" or ")}.`);
}

/**
 * Throws FORBIDDEN where the principal would hand out, by a new or a rotated key, a scope that it does not hold: or
 * MANAGE_KEYS alone would be worth all the others.
 */
export function assertMayGrant(principal: Principal, scopes: readonly Scope[]): void {
  const missing = scopes.filter((scope) => !principal.scopes.has(scope));
  if (missing.length === 0) return;
  const message = `A key hands on only scopes that it holds itself; this one lacks ${orderScopes(missing).join(", ")}.`;
  throw new PublicError("FORBIDDEN", message, { field: ["input", "scopes"] });
}
