import { afterAll, beforeAll, expect, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import { LANES } from "../../src/events/outbox.js";
import type { TenantId } from "../../src/ids.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import { type Pipeline, startPipeline } from "../support/pipeline.js";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline({ workers: 2, projectors: 2 });
});
afterAll(() => pipeline.stop());

const readTotals = defineStatement<"metrics", [TenantId], Record<string, number | string>>(
  "metrics",
  "test.read_totals",
  `select campaigns.name, campaign_totals.* from campaign_totals
   join campaigns on campaigns.tenant_id = campaign_totals.tenant_id and campaigns.id = campaign_id
   where campaign_totals.tenant_id = $1 order by name`,
);

const totals = (tenantId: TenantId) =>
  writeAsTenant(pipeline.metrics, tenantId, (session) => session.run(readTotals(tenantId)));

test("one event in, one number out", async () => {
  const tenantId = await pipeline.createTenant();
  const answer = await pipeline.intake.accept({
    tenantId,
    lane: LANES.LIVE,
    events: [
      {
        type: "SENT",
        campaignExternalId: "spring",
        recipient: "ann@example.com",
        occurredAt: "2026-11-01T10:00:00Z",
      },
    ],
  });
  expect(answer).toMatchObject({ acceptedCount: 1, refused: [] });
  await pipeline.settled();
  expect(await totals(tenantId)).toMatchObject([{ name: "spring", sent: 1, unique_sent: 1, delivered: 0 }]);
});

test("an event id counts once per tenant, also when it comes again with another time", async () => {
  const [tenantId, other] = [await pipeline.createTenant(), await pipeline.createTenant()];
  const event = {
    eventId: "evt-1",
    type: "OPENED",
    campaignExternalId: "spring",
    recipient: "ann@example.com",
    occurredAt: "2026-10-01T10:00:00Z",
  };
  for (const occurredAt of ["2026-10-01T10:00:00Z", "2026-10-01T10:00:00Z", "2025-03-01T10:00:00Z"]) {
    await pipeline.intake.accept({ tenantId, lane: LANES.LIVE, events: [{ ...event, occurredAt }] });
    await pipeline.settled();
  }
  await pipeline.intake.accept({ tenantId: other, lane: LANES.LIVE, events: [event, event] });
  await pipeline.settled();
  for (const id of [tenantId, other]) {
    expect(await totals(id)).toMatchObject([{ opened: 1, unique_opened: 1, unique_delivered: 1 }]);
  }
});
