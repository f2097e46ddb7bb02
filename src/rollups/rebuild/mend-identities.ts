/**
 * Campaigns that the metrics database lacks, or has as they were: one that is older than the event log has lost the messages about them.
 * What it alone knew is gone, so that they are called by their external ids until somebody says more.
 */
import { projectCampaigns } from "../../campaigns/campaign-projection.js";
import { type CampaignIdentity, readIdentities } from "../../campaigns/campaign-identity.js";
import type { Pool, Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { CampaignId, TenantId } from "../../ids.js";
import { moveTenantVersions } from "../../tenancy/tenant-version.js";
import { writeAsWorker } from "../../tenancy/transactions.js";

const CAMPAIGNS_AT_A_TIME = 1_000;

const findRevisions = defineStatement<
  "metrics",
  [TenantId, readonly CampaignId[]],
  { id: CampaignId; revision: number }
>(
  "metrics",
  "rebuild.find_revisions",
  "select id, identity_revision as revision from campaigns where tenant_id = $1 and id = any ($2::uuid[])",
);

/** `write`: runs work in a transaction of the rebuild. `only`: these campaigns; null: all. */
export async function mendIdentities(
  { events }: { readonly events: Pool<"events"> },
  tenantId: TenantId,
  only: readonly CampaignId[] | null,
  write: (work: (session: Session<"metrics">) => Promise<void>) => Promise<void>,
): Promise<void> {
  let identities: readonly CampaignIdentity[] = [];
  do {
    const portion = { only, after: identities.at(-1)?.id ?? null, count: CAMPAIGNS_AT_A_TIME };
    identities = await writeAsWorker(events, (session) => readIdentities(session, tenantId, portion));
    await write((session) => mendPortion(session, tenantId, identities));
  } while (identities.length === CAMPAIGNS_AT_A_TIME);
}

async function mendPortion(
  session: Session<"metrics">,
  tenantId: TenantId,
  identities: readonly CampaignIdentity[],
): Promise<void> {
  const ids = identities.map(({ id }) => id);
  const revisions = new Map(
    (await session.run(findRevisions(tenantId, ids))).map(({ id, revision }) => [id, revision]),
  );
  const lost = identities.filter(({ id, revision }) => (revisions.get(id) ?? 0) < revision);
  if (lost.length === 0) return;
  await projectCampaigns(session, { identities: lost.map((identity) => ({ tenantId, identity })) });
  await moveTenantVersions(session, [tenantId]);
}
