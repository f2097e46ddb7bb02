import { afterAll, beforeAll, expect, test } from "vitest";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import type { CampaignIdentity } from "../../src/campaigns/campaign-identity.js";
import { projectCampaigns } from "../../src/campaigns/campaign-projection.js";
import { CampaignStore } from "../../src/campaigns/campaign-store.js";
import { findCampaigns } from "../../src/campaigns/find-campaigns.js";
import { type CampaignId, type TenantId, uuidv7 } from "../../src/ids.js";
import { systemClock } from "../../src/runtime.js";
import { writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { type Pipeline, startPipeline } from "../support/pipeline.js";

let pipeline: Pipeline;
let tenantId: TenantId;
beforeAll(async () => {
  pipeline = await startPipeline({ workers: 0, projectors: 0 });
  tenantId = await pipeline.createTenant();
});
afterAll(() => pipeline.stop());

const at = instantFromMillis(Date.UTC(2026, 10, 1));
const made = (id: CampaignId): CampaignIdentity => ({
  id,
  externalId: "spring",
  details: { name: "Spring appeal", subject: "Hello", tags: ["appeal"] },
  createdAt: at,
  changedAt: at,
  archivedAt: null,
  revision: 1,
});
const archived = (id: CampaignId): CampaignIdentity => ({
  ...made(id),
  details: { name: "spring" },
  archivedAt: at,
  revision: 2,
});

const restored = (id: CampaignId): CampaignIdentity => ({ ...archived(id), archivedAt: null, revision: 3 });
const archivedAgain = (id: CampaignId): CampaignIdentity => ({ ...archived(id), revision: 4 });

/** Applies messages in transactions of their own and reads the campaign. */
async function apply(id: CampaignId, ...batches: readonly (readonly CampaignIdentity[])[]) {
  for (const batch of batches) {
    await writeAsWorker(pipeline.metrics, (session) =>
      projectCampaigns(session, { identities: batch.map((identity) => ({ tenantId, identity })) }),
    );
  }
  const [row] = await writeAsWorker(pipeline.metrics, (session) => findCampaigns(session, tenantId, [id]));
  return row;
}

test("a campaign keeps its name whether its archiving comes with its making, after it, before it, or twice", async () => {
  for (const batches of [
    (id: CampaignId) => [[archived(id), made(id)]],
    (id: CampaignId) => [[made(id)], [archived(id)]],
    (id: CampaignId) => [[archived(id)], [made(id)]],
    (id: CampaignId) => [[made(id)], [archived(id)], [archived(id)], [made(id)]],
    (id: CampaignId) => [[archived(id)], [restored(id), made(id)], [archivedAgain(id)], [made(id)]],
  ]) {
    const id = uuidv7() as CampaignId;
    const expected = { name: "Spring appeal", subject: "Hello", tags: ["appeal"], archivedAt: at };
    expect(await apply(id, ...batches(id))).toMatchObject(expected);
  }
});

test("the first send may be known before the campaign is, and does not name it", async () => {
  const id = uuidv7() as CampaignId;
  await writeAsWorker(pipeline.metrics, (session) =>
    projectCampaigns(session, {
      firstSent: [
        { tenantId, campaignId: id, at: at + 2 },
        { tenantId, campaignId: id, at },
      ],
    }),
  );
  expect(await apply(id, [made(id)])).toMatchObject({ name: "Spring appeal", tags: ["appeal"], sentAt: at });
});

test("what somebody changes before the metrics have heard how the campaign was made stays, and the rest is filled in", async () => {
  const { events, metrics, campaigns: identities } = pipeline;
  const store = new CampaignStore({ events, metrics, identities, now: systemClock });
  const details = { name: "Autumn appeal", subject: "Hi", tags: ["vip"], sentAt: at };
  // Committed in the event log, when the metrics database was away.
  const change = await writeAsTenant(events, tenantId, (session) =>
    identities.mint(session, tenantId, "autumn", details, OPERATOR),
  );
  if (change === null) throw new Error("The name is taken");
  const { campaign } = change;
  await store.update(tenantId, campaign.id, { subject: "Hello", sentAt: null }, OPERATOR);
  expect(await apply(campaign.id)).toMatchObject({ name: "autumn", subject: "Hello" });
  const expected = { name: "Autumn appeal", subject: "Hello", tags: ["vip"], sentAt: null };
  expect(await apply(campaign.id, [campaign])).toMatchObject(expected);
  await store.update(tenantId, campaign.id, { name: "Winter appeal" }, OPERATOR);
  expect(await apply(campaign.id, [campaign])).toMatchObject({ ...expected, name: "Winter appeal" });
});
