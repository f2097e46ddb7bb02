import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import { OUTBOX_FORMAT } from "../../events/outbox.js";
import type { CampaignId, TenantId } from "../../ids.js";
import type { EpochMicros } from "../../time/instant.js";
import { QUARTER_HOUR_MICROS } from "../../time/range.js";
import { LinkUrls } from "./link-urls.js";
import type { RollupPayload } from "../rollup-message.js";
import { addCount, addRevenue, RollupSums } from "./rollup-sums.js";

/** What messages that are not applied yet will change in a campaign. */
export interface PendingChange {
  readonly quarters: RollupSums;
  readonly linkQuarters: RollupSums;
  /** Not always what the quarter-hours sum to: messages of format 1 tell of totals alone. */
  readonly linkTotals: RollupSums;
  readonly linkUrls: LinkUrls;
  firstSent: EpochMicros | null;
}

const findMessages = defineStatement<"events", [TenantId], { id: string }>(
  "events",
  "verify.find_messages",
  `select id from outbox where tenant_id = $1 order by id`,
);

const findApplied = defineStatement<"metrics", [TenantId, ids: readonly string[]], { id: string }>(
  "metrics",
  "verify.find_applied_messages",
  `select id from applied_messages where tenant_id = $1 and id = any ($2::uuid[])`,
);

const readMessages = defineStatement<
  "events",
  [TenantId, ids: readonly string[]],
  { id: string; format: number; payload: { readonly rollup?: RollupPayload } }
>(
  "events",
  "verify.read_messages",
  `select id, format, payload from outbox where tenant_id = $1 and id = any ($2::uuid[])`,
);

/** A message tells of a batch of up to thousands of events; so many are in memory at a time. */
const MESSAGES_AT_A_TIME = 100;

/** The messages of the log's snapshot that the rollups' snapshot has not applied, summed by campaign. */
export async function readPendingChanges(
  log: Session<"events">,
  rollups: Session<"metrics">,
  tenantId: TenantId,
): Promise<Map<CampaignId, PendingChange>> {
  const pending = new Map<CampaignId, PendingChange>();
  const ids = (await log.run(findMessages(tenantId))).map((row) => row.id);
  for (let start = 0; start < ids.length; start += MESSAGES_AT_A_TIME) {
    const some = ids.slice(start, start + MESSAGES_AT_A_TIME);
    const applied = new Set((await rollups.run(findApplied(tenantId, some))).map((row) => row.id));
    const waiting = some.filter((id) => !applied.has(id));
    for (const message of waiting.length === 0 ? [] : await log.run(readMessages(tenantId, waiting))) {
      if (message.format > OUTBOX_FORMAT) {
        throw new Error(
          `Message ${message.id} of the outbox has format ${message.format}, which this program cannot read`,
        );
      }
      if (message.payload.rollup !== undefined) addMessage(pending, message.payload.rollup);
    }
  }
  return pending;
}

function addMessage(pending: Map<CampaignId, PendingChange>, message: RollupPayload): void {
  const { cells, links, linkCells = [], firstSent } = message;
  const changeOf = (id: CampaignId): PendingChange => {
    let change = pending.get(id);
    if (change === undefined) pending.set(id, (change = emptyChange()));
    return change;
  };
  for (const [campaignId, basis, quarter, measures, revenue] of cells) {
    const bucket = (quarter * QUARTER_HOUR_MICROS) as EpochMicros;
    const sum = changeOf(campaignId).quarters.at({ campaignId, linkKey: null, basis, bucket });
    measures.forEach((value, position) => addCount(sum, position, value));
    for (const [currency, amount] of Object.entries(revenue ?? {})) addRevenue(sum, currency, amount);
  }
  for (const [campaignId, linkKey, url, ...clicks] of links) {
    const { linkTotals, linkUrls } = changeOf(campaignId);
    linkUrls.add({ campaignId, linkKey }, url);
    const sum = linkTotals.at({ campaignId, linkKey, basis: null, bucket: null });
    clicks.forEach((value, position) => addCount(sum, position, value));
  }
  for (const [campaignId, linkKey, basis, quarter, clicks] of linkCells) {
    const bucket = (quarter * QUARTER_HOUR_MICROS) as EpochMicros;
    const sum = changeOf(campaignId).linkQuarters.at({ campaignId, linkKey, basis, bucket });
    clicks.forEach((value, position) => addCount(sum, position, value));
  }
  for (const [campaignId, at] of firstSent) {
    const change = changeOf(campaignId);
    change.firstSent = earlierOf(change.firstSent, at as EpochMicros);
  }
}

function emptyChange(): PendingChange {
  return {
    quarters: new RollupSums(),
    linkQuarters: new RollupSums(),
    linkTotals: new RollupSums(),
    linkUrls: new LinkUrls(),
    firstSent: null,
  };
}

/** The earlier of two instants, of which either may be missing. */
export function earlierOf(left: EpochMicros | null, right: EpochMicros | null): EpochMicros | null {
  if (left === null || right === null) return left ?? right;
  return left < right ? left : right;
}
