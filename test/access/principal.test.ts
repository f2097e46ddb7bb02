import { expect, test } from "vitest";
import { assertMayGrant, createPrincipal, requireScope } from "../../src/access/principal.js";
import { SCOPES } from "../../src/access/scope.js";
import type { ApiKeyId, TenantId } from "../../src/ids.js";

const tenant = "01900000-0000-7000-8000-000000000001" as TenantId;
const otherTenant = "01900000-0000-7000-8000-000000000002" as TenantId;
const key = "01900000-0000-7000-8000-00000000000a" as ApiKeyId;

test("authority is the same for the same scopes in any order, and differs by tenant and by scope", () => {
  const { authority } = createPrincipal(tenant, key, ["READ_METRICS", "WRITE_EVENTS"]);
  expect(createPrincipal(tenant, key, ["WRITE_EVENTS", "READ_METRICS", "WRITE_EVENTS"]).authority).toBe(authority);
  expect(createPrincipal(otherTenant, key, ["READ_METRICS", "WRITE_EVENTS"]).authority).not.toBe(authority);
  expect(createPrincipal(tenant, key, ["READ_METRICS"]).authority).not.toBe(authority);
});

test("a scope that this program does not know opens nothing", () => {
  const principal = createPrincipal(tenant, key, ["READ_METRICS", "READ_EVERYTHING"]);
  expect([...principal.scopes]).toEqual(["READ_METRICS"]);
});

test("a missing scope is refused by name, and one of several is enough", () => {
  const principal = createPrincipal(tenant, key, ["READ_METRICS"]);
  requireScope(principal, "MANAGE_CAMPAIGNS", "READ_METRICS");
  expect(() => requireScope(principal, "READ_EVENTS")).toThrow(
    expect.objectContaining({ code: "FORBIDDEN", message: expect.stringContaining("READ_EVENTS") }),
  );
});

test("a key hands on only what it holds", () => {
  const principal = createPrincipal(tenant, key, ["MANAGE_KEYS", "READ_METRICS"]);
  assertMayGrant(principal, ["READ_METRICS", "MANAGE_KEYS"]);
  expect(() => assertMayGrant(principal, ["READ_METRICS", "READ_EVENTS"])).toThrow(
    expect.objectContaining({ code: "FORBIDDEN", message: expect.stringContaining("READ_EVENTS") }),
  );
});

test("what a key is limited to is part of its authority, in whatever order the tags came", () => {
  const limitedTo = (...campaignTags: string[]) => createPrincipal(tenant, key, ["READ_METRICS"], { campaignTags });
  expect(limitedTo("a", "b").authority).toBe(limitedTo("b", "a").authority);
  const authorities = [limitedTo("a"), limitedTo("a", "b"), limitedTo("a,b"), limitedTo(), limitedTo('a","b')];
  authorities.push(createPrincipal(tenant, key, ["READ_METRICS"]));
  expect(new Set(authorities.map(({ authority }) => authority)).size).toBe(authorities.length);
});

test("a key that is limited to campaigns does nothing but read, whatever it was granted", () => {
  const limited = createPrincipal(tenant, key, SCOPES, { unconfirmedScopes: SCOPES, campaignTags: ["a"] });
  expect([...limited.scopes]).toEqual(["READ_METRICS", "READ_EVENTS"]);
  expect([...limited.unconfirmedScopes]).toEqual(["READ_METRICS", "READ_EVENTS"]);
});
