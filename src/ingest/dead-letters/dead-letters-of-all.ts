/** Dead letters over all tenants, for operators at the command line: needs the worker's role. */
import { Parameters } from "../../database/parameters.js";
import type { Session } from "../../database/pool.js";
import type { Statement } from "../../database/statement.js";
import type { CampaignId, DeadLetterId, ReceiptId, TenantId } from "../../ids.js";
import { defineStatement } from "../../database/statement.js";
import { DEAD_LETTER_COLUMNS, type DeadLetterRow } from "./dead-letter.js";

/** Which letters; null is no filter. */
export interface LetterFilter {
  readonly tenantId: TenantId | null;
  readonly receiptId: ReceiptId | null;
  readonly ids: readonly DeadLetterId[] | null;
}

export interface LetterReference {
  readonly tenantId: TenantId;
  readonly id: DeadLetterId;
}

function statementOf<Row>(
  name: string,
  columns: string,
  filter: LetterFilter,
  limit: number | null,
): Statement<"events", Row> {
  const parameters = new Parameters();
  const conditions = ["letter.discarded_at is null"];
  const { tenantId, receiptId, ids } = filter;
  if (tenantId !== null) conditions.push(`letter.tenant_id = ${parameters.add(tenantId)}`);
  if (receiptId !== null) conditions.push(`letter.receipt_id = ${parameters.add(receiptId)}`);
  if (ids !== null) conditions.push(`letter.id = any (${parameters.add(ids)}::uuid[])`);
  const text =
    `select ${columns} from dead_letters as letter where ${conditions.join(" and ")} ` +
    `order by letter.id desc${limit === null ? "" : ` limit ${parameters.add(limit)}`}`;
  return { database: "events", name, text, values: parameters.values, isPrepared: false };
}

/** The newest letters, newest first. */
export function listDeadLetters(
  session: Session<"events">,
  filter: LetterFilter,
  limit: number,
): Promise<DeadLetterRow[]> {
  return session.run(statementOf("dead_letters.list", DEAD_LETTER_COLUMNS, filter, limit));
}

/** Which letters there are. */
export function findDeadLetters(session: Session<"events">, filter: LetterFilter): Promise<LetterReference[]> {
  return session.run(statementOf("dead_letters.find_all", `letter.tenant_id as "tenantId", letter.id`, filter, null));
}

const findNames = defineStatement<
  "events",
  [readonly TenantId[], readonly CampaignId[]],
  { campaign_id: CampaignId; external_id: string | null }
>(
  "events",
  "dead_letters.find_campaign_names",
  `select identity.campaign_id, identity.external_id
   from unnest($1::uuid[], $2::uuid[]) as wanted (tenant_id, campaign_id)
   join campaign_identities as identity
     on identity.tenant_id = wanted.tenant_id and identity.campaign_id = wanted.campaign_id`,
);

/** The external ids of those campaigns that have one. */
export async function findCampaignNames(
  session: Session<"events">,
  campaigns: readonly { readonly tenantId: TenantId; readonly campaignId: CampaignId }[],
): Promise<ReadonlyMap<CampaignId, string>> {
  if (campaigns.length === 0) return new Map();
  const found = await session.run(
    findNames(
      campaigns.map(({ tenantId }) => tenantId),
      campaigns.map(({ campaignId }) => campaignId),
    ),
  );
  return new Map(
    found.flatMap((row) => (row.external_id === null ? [] : [[row.campaign_id, row.external_id] as const])),
  );
}
