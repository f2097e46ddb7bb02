import { afterAll, beforeAll, expect, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import { textOfRecipientKey } from "../../src/events/event-key.js";
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

const readAddresses = defineStatement<"events", [TenantId], { address: string }>(
  "events",
  "test.read_addresses",
  "select address from recipients where tenant_id = $1 order by address",
);

test("an address is remembered by the first event that has it, also where one before it names the recipient by the key", async () => {
  const tenantId = await pipeline.createTenant();
  const key = textOfRecipientKey(pipeline.recipientKeys.keyOf(tenantId, "ann@example.com"));
  const occurredAt = "2026-11-01T10:00:00Z";
  await pipeline.intake.accept({
    tenantId,
    lane: LANES.LIVE,
    events: [
      { type: "SENT", campaignExternalId: "spring", recipient: key, occurredAt },
      { type: "DELIVERED", campaignExternalId: "spring", recipient: "ann@example.com", occurredAt },
    ],
  });
  await pipeline.settled();
  const found = await writeAsTenant(pipeline.events, tenantId, (session) => session.run(readAddresses(tenantId)));
  expect(found).toEqual([{ address: "ann@example.com" }]);
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

const readClicks = defineStatement<"events", [TenantId], Record<string, unknown>>(
  "events",
  "test.read_clicks",
  "select event_id, message_id, url, client, metadata from clicked where tenant_id = $1 order by event_id",
);

test("texts come into the log as they were given, whatever characters they hold", async () => {
  const tenantId = await pipeline.createTenant();
  const odd = `"quoted" \\back\\ \u001E \u0001 {},[] é 🙂 '; -- $1`;
  const event = {
    type: "CLICKED",
    campaignExternalId: odd,
    recipient: `${odd}@example.com`,
    occurredAt: "2026-11-01T10:00:00Z",
    messageId: odd,
    url: "https://example.org/?q=%22\\",
    client: odd,
    metadata: { [odd]: [odd, 1, null] },
  };
  const accept = (...ids: readonly number[]) =>
    pipeline.intake.accept({
      tenantId,
      lane: LANES.LIVE,
      events: ids.map((id) => ({ ...event, eventId: `${id} ${odd}` })),
    });
  await accept(0, 1);
  // The campaign is known by now, so that these come to the inbox together: while the first is stored the others gather.
  await Promise.all([accept(2), accept(3), accept(4), accept(5)]);
  await pipeline.settled();
  const rows = await writeAsTenant(pipeline.events, tenantId, (session) => session.run(readClicks(tenantId)));
  const { messageId: message_id, url, client, metadata } = event;
  expect(rows).toEqual(
    [0, 1, 2, 3, 4, 5].map((id) => ({ event_id: `${id} ${odd}`, message_id, url, client, metadata })),
  );
});
