import { expect, test } from "vitest";
import type { TenantId } from "../../src/ids.js";
import { RequestSlots } from "../../src/tenancy/request-slots.js";

const [ada, bob] = ["ada", "bob"] as TenantId[] as [TenantId, TenantId];

test("no more requests than there are slots go on, and each goes on when one before it has ended", async () => {
  const slots = new RequestSlots({ slots: 2, waitTimeoutMs: 10_000 });
  let running = 0;
  let most = 0;
  let done = 0;
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      const release = await slots.acquire(ada);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      done += 1;
      release();
    }),
  );
  expect([most, done, running]).toEqual([2, 50, 0]);
});

test("turns go round between tenants, however many requests of one of them wait", async () => {
  const slots = new RequestSlots({ slots: 1, waitTimeoutMs: 10_000 });
  const first = await slots.acquire(ada);
  const order: string[] = [];
  const request = async (tenantId: TenantId, name: string) => {
    const release = await slots.acquire(tenantId);
    order.push(name);
    release();
  };
  const all = [1, 2, 3, 4].map((number) => request(ada, `ada ${number}`));
  all.push(request(bob, "bob 1"), request(bob, "bob 2"));
  first();
  await Promise.all(all);
  expect(order).toEqual(["ada 1", "bob 1", "ada 2", "bob 2", "ada 3", "ada 4"]);
});

test("who waits too long is told so, and takes nobody's turn", async () => {
  const slots = new RequestSlots({ slots: 1, waitTimeoutMs: 1 });
  const release = await slots.acquire(ada);
  await expect(slots.acquire(ada)).rejects.toMatchObject({ code: "UNAVAILABLE", retryAfterSeconds: 1 });
  release();
  (await slots.acquire(bob))();
  (await slots.acquire(ada))();
});
