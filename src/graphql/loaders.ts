/**
 * What resolvers ask for one by one, read for all of them at once: one statement for a page of campaigns, however many
 * there are. Batches go through the cache whole.
 */
import DataLoader from "dataloader";
import { type DaySpan, findKeyDays, type KeyCounts } from "../access/key-days.js";
import { type AuditPageRequest, type AuditRow, findAuditEntries, readAuditPages } from "../audit/read-audit.js";
import type { CampaignRow } from "../campaigns/campaign-row.js";
import { findCampaigns } from "../campaigns/find-campaigns.js";
import { findUnheardCampaigns } from "../campaigns/unheard-campaigns.js";
import { type EventReference, findEvents } from "../events/find-events.js";
import { EVENT_TYPES, type EventType } from "../events/event.js";
import type { EventRow } from "../events/event-row.js";
import { type ApiKeyId, type AuditEntryId, type CampaignId, decodeGlobalId, type EventKey, isUuid } from "../ids.js";
import { bucketCounts } from "../metrics/bucket-statement.js";
import { readCampaignBuckets } from "../metrics/campaign-buckets.js";
import { readCampaignTotals } from "../metrics/campaign-totals.js";
import { type Counts, EMPTY_COUNTS } from "../metrics/counts.js";
import { type LinkPageRequest, type LinkRow, readLinkPages } from "../metrics/link-pages.js";
import type { MeasureSet } from "../metrics/measure-set.js";
import { findTenant, type Tenant } from "../tenancy/tenants.js";
import type { EpochMicros } from "../time/instant.js";
import type { BucketSet } from "./bucket-sets.js";
import type { TenantAccess } from "./tenant-access.js";

interface CampaignTotals {
  readonly campaignId: CampaignId;
  readonly set: MeasureSet;
}

interface CampaignBuckets extends CampaignTotals {
  readonly buckets: BucketSet;
}

interface CampaignLinks {
  readonly campaignId: CampaignId;
  readonly page: LinkPageRequest;
}

interface AuditTrail {
  readonly subjectId: string;
  readonly page: AuditPageRequest;
}

interface ApiKeyDays {
  readonly keyId: ApiKeyId;
  readonly span: DaySpan;
}

interface Loader<Key, Value> {
  load(key: Key): Promise<Value>;
}

export interface Loaders {
  /** Whatever the key may see of the tenant itself. */
  tenant(): Promise<Tenant>;
  readonly campaign: DataLoader<CampaignId, CampaignRow | null>;
  readonly campaignTotals: Loader<CampaignTotals, Counts>;
  readonly campaignBuckets: Loader<CampaignBuckets, readonly Counts[]>;
  readonly campaignLinks: Loader<CampaignLinks, readonly LinkRow[]>;
  readonly auditTrail: Loader<AuditTrail, readonly AuditRow[]>;
  readonly auditEntry: DataLoader<AuditEntryId, AuditRow | null>;
  readonly apiKeyDays: Loader<ApiKeyDays, ReadonlyMap<number, KeyCounts>>;
  readonly event: DataLoader<EventReference, EventRow | null, string>;
}

export function createLoaders(tenant: TenantAccess): Loaders {
  const { tenantId } = tenant;
  let self: Promise<Tenant> | undefined;
  const loaders: Loaders = {
    tenant: () => (self ??= findSelf(tenant)),

    campaign: new DataLoader(async (ids) => {
      const rows = await findCampaigns(tenant.metrics, tenantId, ids);
      const byId = new Map(rows.map((row) => [row.id, row]));
      const missing = ids.filter((id) => !byId.has(id));
      tenant.holdsForNow();
      const unheard = missing.length === 0 ? [] : await findUnheardCampaigns(tenant.events, tenantId, missing);
      for (const row of unheard) byId.set(row.id, row);
      const seen = ids.map((id) => {
        const row = byId.get(id);
        return row !== undefined && tenant.sees(row) ? row : null;
      });
      // An event may have named a campaign a moment ago, of which the metrics database has not heard yet. What is hidden is answered, and
      // charged, like what there is not.
      if (unheard.length > 0 || seen.includes(null)) tenant.answerLife.endsAtOnce();
      return seen;
    }),

    campaignTotals: batchedByRest(
      campaignIdOf,
      ({ set }: CampaignTotals) => set.key,
      async ({ set }, ids) => {
        const counts = await tenant.cached(
          "campaign_totals",
          { ids: ids.join(), measures: set.key },
          null,
          async () => {
            const totals = await readCampaignTotals(tenant.metrics, tenantId, ids, set);
            return ids.map((id) => totals.get(id) ?? EMPTY_COUNTS);
          },
        );
        return counts.value;
      },
    ),

    campaignBuckets: batchedByRest(
      campaignIdOf,
      ({ buckets, set }: CampaignBuckets) => `${buckets.key} ${set.key}`,
      async ({ buckets: { cut, basis }, set }, ids) => {
        const { rollupTimeZone } = await tenant.state();
        const plan = cut.planFor(rollupTimeZone);
        // Texts are kept, and not the numbers in them: they take a fraction of the room, and are quicker read than frozen.
        // What the slots in them mean, the plan says, which depends on the zone.
        const args = { ids: ids.join(), boundaries: cut.text, basis, measures: set.key, rollupTimeZone };
        const cells = await tenant.cached("campaign_cells", args, cut.range, async () => {
          const found = await readCampaignBuckets(tenant.metrics, tenantId, ids, plan, basis, set);
          return ids.map((id) => found.get(id) ?? []);
        });
        return cells.value.map((ofCampaign) => bucketCounts(plan, ofCampaign));
      },
    ),

    campaignLinks: batchedByRest(
      campaignIdOf,
      ({ page }: CampaignLinks) => JSON.stringify(page),
      async ({ page }, ids) => {
        const links = await tenant.cached("campaign_links", { ids: ids.join(), page }, null, async () => {
          const pages = await readLinkPages(tenant.metrics, tenantId, ids, page);
          return ids.map((id) => pages.get(id) ?? []);
        });
        return links.value;
      },
    ),

    // Not cached, here or elsewhere: keys change without the tenant's version, and each mutation shows what it did.
    auditTrail: batchedByRest(
      ({ subjectId }: AuditTrail) => subjectId,
      ({ page }) => JSON.stringify(page),
      async ({ page }, ids) => {
        const pages = await readAuditPages(tenant.metrics, tenantId, ids, page);
        return ids.map((id) => pages.get(id) ?? []);
      },
      { cache: false },
    ),

    auditEntry: new DataLoader(async (ids) => {
      const rows = await findAuditEntries(tenant.metrics, tenantId, ids);
      const byId = new Map(rows.map((row) => [row.id, row]));
      return ids.map((id) => byId.get(id) ?? null);
    }),

    apiKeyDays: batchedByRest(
      ({ keyId }: ApiKeyDays) => keyId,
      ({ span: { from, to } }) => `${from} ${to}`,
      async ({ span }, ids) => {
        const found = await findKeyDays(tenant.metrics, tenantId, ids, span);
        return ids.map((id) => found.get(id) ?? new Map<number, KeyCounts>());
      },
    ),

    event: new DataLoader(
      async (references) => {
        const rows = await findEvents(tenant.events, tenantId, references);
        const found = new Map(rows.map((row) => [addressOf(row), row]));
        return Promise.all(
          references.map(async (reference) => {
            const row = found.get(addressOf(reference)) ?? null;
            if (row === null || tenant.principal.campaignTags === null) return row;
            return (await loaders.campaign.load(row.campaignId)) === null ? null : row;
          }),
        );
      },
      { cacheKeyFn: addressOf },
    ),
  };
  return loaders;
}

async function findSelf({ metrics, tenantId }: TenantAccess): Promise<Tenant> {
  const found = await findTenant(metrics, tenantId);
  if (found === null) throw new Error("The tenant of a key does not exist");
  return found;
}

const addressOf = ({ type, occurredAt, key }: EventReference): string => `${type} ${occurredAt} ${key}`;

const campaignIdOf = ({ campaignId }: { readonly campaignId: CampaignId }) => campaignId;

/**
 * A loader of something per campaign or the like that has other arguments too: one of ids for each set of these. `load` is told the
 * ids of a batch and, for the rest, one of its keys.
 */
function batchedByRest<Key, Id extends string, Value>(
  idOf: (key: Key) => Id,
  restOf: (key: Key) => string,
  load: (sample: Key, ids: readonly Id[]) => Promise<readonly Value[]>,
  options: { readonly cache?: boolean } = {},
): Loader<Key, Value> {
  const byRest = new Map<string, DataLoader<Id, Value>>();
  return {
    load(key) {
      const rest = restOf(key);
      let loader = byRest.get(rest);
      if (loader === undefined) byRest.set(rest, (loader = new DataLoader((ids) => load(key, ids), options)));
      return loader.load(idOf(key));
    },
  };
}

/** Where an event's id says that it lies, or null where it is no event's. */
export function eventReferenceOf(id: string): EventReference | null {
  const [type, occurredAt, key] = decodeGlobalId("Event", id) ?? [];
  const known = EVENT_TYPES.find((name): name is EventType => name === type);
  const at = Number(occurredAt);
  if (known === undefined || !Number.isSafeInteger(at) || key === undefined || !isUuid(key)) return null;
  return { type: known, occurredAt: at as EpochMicros, key: key as EventKey };
}
