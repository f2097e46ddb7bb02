/**
 * Makes the live rollups what the event log says, while events come in and answers are read. What differs under a pair of
 * snapshots is added to the live rows: rollups are sums, so whatever projectors add meanwhile stands beside it, and no
 * reader meets a hole or a double. Each difference stands for itself, so they are mended some at a time, in short
 * transactions; a run that was interrupted leaves what it has done, and the next one of the whole tenant does not count that
 * again.
 */
import type { Pool, Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { CampaignId, TenantId } from "../../ids.js";
import { moveTenantVersions } from "../../tenancy/tenant-version.js";
import { writeAsWorker } from "../../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";
import type { TimeZoneId } from "../../time/time-zone.js";
import {
  type ComparedPortion,
  type ComparisonOptions,
  compareRollups,
  findRollupZone,
  type VerifyScope,
} from "../verify/compare-rollups.js";
import type { Difference } from "../verify/difference.js";
import { mendIdentities } from "./mend-identities.js";
import { mendFirstSent, mendUrls, renameInRollups, withUrlsOfNow } from "./mend-values.js";
import { leaseIsTaken, RebuildLease } from "./rebuild-lease.js";
import { findDroppedBefore } from "../verify/retention-horizon.js";
import { addToRollup, removeEmptyRows, ROLLUP_TABLE_NAMES, type RollupTable } from "../rollup-tables.js";
import { rowsToAdd } from "./rows-to-add.js";
import { openSnapshotPair } from "../verify/snapshot-pair.js";

interface RebuildPools {
  readonly events: Pool<"events">;
  readonly metrics: Pool<"metrics">;
}

export interface RebuildOptions extends Pick<ComparisonOptions, "eventsAtATime" | "progress"> {
  readonly now: () => EpochMicros;
  /** Checked between portions: what is mended by then stays. */
  readonly signal?: AbortSignal;
}

export interface RebuildSummary {
  readonly campaigns: number;
  readonly events: number;
  /** Of these an interrupted run had mended so many, which were not counted again. */
  readonly resumed: number;
  /** Campaigns that reach past retention: their quarter-hours were left as they are. */
  readonly unrecountable: readonly CampaignId[];
  /** Events before this were dropped: nothing there can be recounted. Null where none were. */
  readonly droppedBefore: EpochMicros | null;
  readonly interrupted: boolean;
}

/** So many are mended in one transaction: what it locks, projectors of all tenants wait for. */
const DIFFERENCES_AT_A_TIME = 5_000;
/** For so long what an interrupted run has mended is not counted again. */
const RESUME_HOURS = 24;

const findRebuilt = defineStatement<"metrics", [TenantId, now: string], { campaign_id: CampaignId }>(
  "metrics",
  "rebuild.find_rebuilt",
  `select campaign_id from rebuilt_campaigns
   where tenant_id = $1 and rebuilt_at > $2::timestamptz - interval '${RESUME_HOURS} hours'`,
);

const rememberRebuilt = defineStatement<"metrics", [TenantId, readonly CampaignId[], now: string], never>(
  "metrics",
  "rebuild.remember_rebuilt",
  `insert into rebuilt_campaigns (tenant_id, campaign_id, rebuilt_at)
   select $1, campaign_id, $3 from unnest($2::uuid[]) as rebuilt (campaign_id) order by campaign_id
   on conflict (tenant_id, campaign_id) do update set rebuilt_at = excluded.rebuilt_at`,
);

const forgetRebuilt = defineStatement<"metrics", [TenantId], never>(
  "metrics",
  "rebuild.forget_rebuilt",
  "delete from rebuilt_campaigns where tenant_id = $1",
);

/**
 * Yields every difference once it is mended, and returns what was looked at. Throws CONFLICT where another run is at this
 * tenant. Needs three connections to the metrics database.
 */
export async function* rebuildRollups(
  pools: RebuildPools,
  scope: VerifyScope,
  options: RebuildOptions,
): AsyncGenerator<Difference, RebuildSummary, undefined> {
  const lease = await RebuildLease.acquire(pools.metrics, scope.tenantId, options.now);
  if (lease === null) throw leaseIsTaken();
  try {
    return yield* new Rebuild(pools, scope, options, lease).run();
  } finally {
    await lease.release();
  }
}

class Rebuild {
  readonly #pools: RebuildPools;
  readonly #scope: VerifyScope;
  readonly #options: RebuildOptions;
  readonly #lease: RebuildLease;

  constructor(pools: RebuildPools, scope: VerifyScope, options: RebuildOptions, lease: RebuildLease) {
    this.#pools = pools;
    this.#scope = scope;
    this.#options = options;
    this.#lease = lease;
  }

  async *run(): AsyncGenerator<Difference, RebuildSummary, undefined> {
    const { signal, now: _, ...options } = this.#options;
    const trusted = await this.#findRebuilt();
    const { tenantId, campaignIds = null } = this.#scope;
    await mendIdentities(this.#pools, tenantId, campaignIds, (work) => this.#write(work));
    const snapshots = await openSnapshotPair(this.#pools);
    const summary = {
      campaigns: 0,
      events: 0,
      resumed: 0,
      unrecountable: [] as CampaignId[],
      droppedBefore: null as EpochMicros | null,
    };
    try {
      summary.droppedBefore = await findDroppedBefore(snapshots.log);
      const zone = await findRollupZone(snapshots.rollups, this.#scope.tenantId);
      for await (const portion of compareRollups(snapshots, { ...options, scope: this.#scope, zone, trusted })) {
        yield* await this.#mend(portion, zone);
        summary.campaigns += portion.campaignIds.length;
        summary.events += portion.events;
        summary.resumed += portion.campaignIds.filter((id) => trusted.has(id)).length;
        summary.unrecountable.push(...portion.unrecountable);
        if (signal?.aborted === true) return { ...summary, interrupted: true };
      }
    } finally {
      await snapshots.end();
    }
    if (this.#isWhole) await this.#write((session) => session.run(forgetRebuilt(this.#scope.tenantId)));
    return { ...summary, interrupted: false };
  }

  get #isWhole(): boolean {
    return this.#scope.campaignIds === undefined && this.#scope.range === undefined;
  }

  async #findRebuilt(): Promise<ReadonlySet<CampaignId>> {
    if (!this.#isWhole) return new Set();
    const statement = findRebuilt(this.#scope.tenantId, formatInstant(this.#options.now()));
    const rows = await writeAsWorker(this.#pools.metrics, (session) => session.run(statement));
    return new Set(rows.map((row) => row.campaign_id));
  }

  #write<T>(work: (session: Session<"metrics">) => Promise<T>): Promise<T> {
    return writeAsWorker(this.#pools.metrics, async (session) => {
      await this.#lease.hold(session);
      return work(session);
    });
  }

  async #mend({ campaignIds, differences }: ComparedPortion, zone: TimeZoneId): Promise<readonly Difference[]> {
    const { tenantId } = this.#scope;
    const byTable = Map.groupBy(differences, ({ table }) => table);
    const firstSent = byTable.get("campaigns") ?? [];
    if (firstSent.length > 0) await mendFirstSent(this.#pools, tenantId, campaignsOf(firstSent));
    for (const table of ROLLUP_TABLE_NAMES) {
      const ofTable = byTable.get(table) ?? [];
      for (let done = 0; done < ofTable.length; done += DIFFERENCES_AT_A_TIME) {
        const some = await this.#withUrlsOfNow(table, ofTable.slice(done, done + DIFFERENCES_AT_A_TIME));
        await this.#write(async (session) => {
          const rows = rowsToAdd(table, tenantId, zone, some);
          await addToRollup(session, table, rows);
          const urls = some.filter((difference) => difference.measure === "url");
          await mendUrls(session, tenantId, urls);
          await removeEmptyRows(session, table, rows);
          await moveTenantVersions(session, [tenantId]);
        });
        await this.#renameErased(table, some);
      }
    }
    if (this.#isWhole && campaignIds.length > 0) {
      const statement = rememberRebuilt(tenantId, campaignIds, formatInstant(this.#options.now()));
      await this.#write((session) => session.run(statement));
    }
    return differences;
  }

  /** The table of links alone says what they are called. */
  async #withUrlsOfNow(table: RollupTable, differences: readonly Difference[]): Promise<readonly Difference[]> {
    if (table !== "campaign_links") return differences;
    return withUrlsOfNow(this.#pools.events, this.#scope.tenantId, differences);
  }

  /**
   * An erasure that looked for these rows before they were written has not found them, but has changed the log before that; one that
   * changes it later finds them. So the log is read once more, and the address in a URL does not come back for good.
   */
  async #renameErased(table: RollupTable, written: readonly Difference[]): Promise<void> {
    const now = await this.#withUrlsOfNow(table, written);
    for (const difference of now.filter(({ url }, place) => url !== written[place]?.url)) {
      await this.#write(async (session) => {
        await renameInRollups(session, this.#scope.tenantId, difference);
        await moveTenantVersions(session, [this.#scope.tenantId]);
      });
    }
  }
}

function campaignsOf(differences: readonly Difference[]): CampaignId[] {
  return differences.flatMap(({ campaignId }) => (campaignId === null ? [] : [campaignId]));
}
