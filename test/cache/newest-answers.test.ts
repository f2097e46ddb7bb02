import { expect, test } from "vitest";
import type { Place } from "../../src/cache/cache-key.js";
import { NewestAnswers } from "../../src/cache/newest-answers.js";
import type { TenantId } from "../../src/ids.js";
import { newTenantId } from "../support/cache-rig.js";

const ROOM = 1_000;

function rig() {
  const answers = new NewestAnswers<string>({ maxBytes: ROOM });
  const place = (tenantId: TenantId, version: number, question: string): Place => ({
    address: `${tenantId} ${version} ${question}`,
    tenantId,
    version,
  });
  return {
    keep(tenantId: TenantId, version: number, question: string, bytes = 1): void {
      answers.set(place(tenantId, version, question), question, bytes);
    },
    found: (tenantId: TenantId, version: number, question: string) =>
      answers.get(place(tenantId, version, question).address),
  };
}

test("answers of a tenant's versions before go when one of a newer version comes, and other tenants keep theirs", () => {
  const { keep, found } = rig();
  const [tenant, other] = [newTenantId(), newTenantId()];
  for (const question of ["a", "b"]) keep(tenant, 1, question);
  keep(other, 1, "a");
  keep(tenant, 2, "c");
  expect(["a", "b"].map((question) => found(tenant, 1, question))).toEqual([undefined, undefined]);
  expect([found(tenant, 2, "c"), found(other, 1, "a")]).toEqual(["c", "a"]);
});

test("a tenant whose version moves all the time pushes nobody's answers out", () => {
  const { keep, found } = rig();
  const [busy, quiet] = [newTenantId(), newTenantId()];
  keep(quiet, 1, "a", ROOM / 2);
  for (let version = 1; version <= 100; version++) {
    keep(busy, version, "a", ROOM / 4);
    keep(busy, version, "b", ROOM / 4);
  }
  expect([found(quiet, 1, "a"), found(busy, 100, "a"), found(busy, 100, "b")]).toEqual(["a", "a", "b"]);
});

test("an answer of an older version that comes late takes nothing away, and goes when the version moves again", () => {
  const { keep, found } = rig();
  const tenant = newTenantId();
  keep(tenant, 2, "a");
  keep(tenant, 1, "late");
  expect(found(tenant, 2, "a")).toBe("a");
  keep(tenant, 3, "b");
  expect([found(tenant, 1, "late"), found(tenant, 2, "a"), found(tenant, 3, "b")]).toEqual([undefined, undefined, "b"]);
});

test("a tenant all of whose answers went for want of room keeps new ones, of whatever version", () => {
  const { keep, found } = rig();
  const [tenant, other] = [newTenantId(), newTenantId()];
  keep(tenant, 7, "a", ROOM / 2);
  keep(other, 1, "a", ROOM);
  expect(found(tenant, 7, "a")).toBeUndefined();
  // As after a database was restored from a copy.
  for (const version of [3, 4]) {
    keep(tenant, version, "a");
    expect(found(tenant, version, "a")).toBe("a");
  }
});

test("an answer larger than the room takes nobody's place", () => {
  const { keep, found } = rig();
  const tenant = newTenantId();
  keep(tenant, 1, "a");
  keep(tenant, 1, "b", ROOM + 1);
  expect([found(tenant, 1, "a"), found(tenant, 1, "b")]).toEqual(["a", undefined]);
});
