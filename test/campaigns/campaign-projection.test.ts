import { afterAll, beforeAll, expect, test } from "vitest";
import type { CampaignIdentity } from "../../src/campaigns/campaign-identities.js";
import { applyCampaignIdentities, applyFirstSent } from "../../src/campaigns/campaign-projection.js";
import { findCampaigns } from "../../src/campaigns/find-campaigns.js";
import { type CampaignId, type TenantId, uuidv7 } from "../../src/ids.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
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

/** Applies messages in transactions of their own and reads the campaign. */
async function apply(id: CampaignId, ...batches: readonly (readonly CampaignIdentity[])[]) {
  for (const batch of batches) {
    await writeAsWorker(pipeline.metrics, (session) =>
      applyCampaignIdentities(
        session,
        batch.map((identity) => ({ tenantId, identity })),
      ),
    );
  }
  const [row] = await writeAsWorker(pipeline.metrics, (session) => findCampaigns(session, tenantId, [id]));
  return row;
}

test("a campaign keeps its name whether its archiving comes with its making, after it, or twice", async () => {
  for (const batches of [
    (id: CampaignId) => [[archived(id), made(id)]],
    (id: CampaignId) => [[made(id)], [archived(id)]],
    (id: CampaignId) => [[made(id)], [archived(id)], [archived(id)], [made(id)]],
  ]) {
    const id = uuidv7() as CampaignId;
    expect(await apply(id, ...batches(id))).toMatchObject({ name: "Spring appeal", subject: "Hello", archivedAt: at });
  }
});

test("the first send may be known before the campaign is, and does not name it", async () => {
  const id = uuidv7() as CampaignId;
  await writeAsWorker(pipeline.metrics, (session) =>
    applyFirstSent(session, [
      { tenantId, campaignId: id, at: at + 2 },
      { tenantId, campaignId: id, at },
    ]),
  );
  expect(await apply(id, [made(id)])).toMatchObject({ name: "Spring appeal", tags: ["appeal"], sentAt: at });
});
