import type { Budgets } from "../access/budgets/budgets.js";
import type { KeyTallies } from "../access/key-tallies.js";
import { holdsScope, type Principal } from "../access/principal.js";
import type { Scope } from "../access/scope.js";
import type { Cache, CachedAnswer } from "../cache/cache.js";
import type { JsonValue } from "../cache/json-value.js";
import { AbandonedWork } from "../cache/single-flight.js";
import { ttlClassOf } from "../cache/ttl-class.js";
import type { CampaignStore } from "../campaigns/campaign-store.js";
import type { Pool } from "../database/pool.js";
import type { RecipientKeys } from "../events/event-key.js";
import type { TenantId } from "../ids.js";
import type { Intake } from "../ingest/intake.js";
import type { BucketCuts } from "../metrics/bucket-cut.js";
import type { FreshnessReadings } from "../metrics/freshness-readings.js";
import type { Cursors } from "../pages/cursors.js";
import type { RequestSlots } from "../tenancy/request-slots.js";
import type { TenantState, TenantStates } from "../tenancy/tenant-states.js";
import { TenantReads } from "../tenancy/transactions.js";
import type { EpochMicros } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";
import { AnswerLife } from "./answer-life.js";

/** What clients are told that they may ask for, besides the price. */
export interface PublicLimits {
  readonly maxEventsPerCall: number;
  readonly maxCallBytes: number;
  readonly maxTokens: number;
  readonly maxDepth: number;
  readonly maxNestedPages: number;
  readonly maxAliases: number;
  readonly maxDirectives: number;
  readonly maxAnswerChars: number;
  readonly statementTimeoutMs: number;
  /** Null: events are kept. */
  readonly eventRetentionDays: number | null;
}

/** What the resolvers work with; one for the whole server. */
export interface Services {
  readonly events: Pool<"events">;
  readonly metrics: Pool<"metrics">;
  readonly cache: Cache;
  readonly tenantStates: TenantStates;
  readonly requestSlots: RequestSlots;
  readonly freshness: FreshnessReadings;
  readonly cursors: Cursors;
  readonly intake: Intake;
  readonly recipientKeys: RecipientKeys;
  readonly campaigns: CampaignStore;
  readonly keyTallies: KeyTallies;
  /** Null: nobody is throttled. */
  readonly budgets: Budgets | null;
  /** Null: an operation may cost whatever it costs. */
  readonly maxQueryCost: number | null;
  readonly onCost: (points: number) => void;
  readonly onUnpaid: (code: "THROTTLED" | "QUERY_TOO_COSTLY") => void;
  readonly limits: PublicLimits;
  readonly maxFilterTags: number;
  readonly maxSeriesPoints: number;
  readonly bucketCuts: BucketCuts;
  readonly maxKeyOverlapSeconds: number;
  readonly now: () => EpochMicros;
}

/** A request of somebody who showed a key: whatever it reads is of the key's tenant. */
export class TenantAccess {
  readonly services: Services;
  readonly principal: Principal;
  readonly tenantId: TenantId;
  readonly events: TenantReads<"events">;
  readonly metrics: TenantReads<"metrics">;
  /** When the request began. */
  readonly now: EpochMicros;
  readonly answerLife = new AnswerLife();
  #state: Promise<TenantState> | undefined;
  #slot: Promise<() => void> | undefined;
  /** One turn for both databases, when the first of them is read or a load is waited for. */
  readonly #enter = async (): Promise<void> => {
    // Nobody would give it back.
    if (this.#hasEnded) throw new AbandonedWork("The request that this load belongs to has ended");
    await (this.#slot ??= this.services.requestSlots.acquire(this.tenantId));
  };
  #hasEnded = false;

  constructor(services: Services, principal: Principal) {
    this.services = services;
    this.principal = principal;
    this.tenantId = principal.tenantId;
    this.now = services.now();
    this.events = new TenantReads(services.events, principal.tenantId, this.#enter);
    this.metrics = new TenantReads(services.metrics, principal.tenantId, this.#enter);
  }

  /** Gives the request's connections back. Never throws. */
  async end(): Promise<void> {
    await Promise.all([this.events.end(), this.metrics.end()]);
    this.#hasEnded = true;
    const release = await this.#slot?.catch(() => undefined);
    release?.();
  }

  /**
   * The tenant's zones, and the version of its data, as the first who asked in this request found them: all parts of an answer
   * have the same days, and what they load is asked for together.
   */
  state(): Promise<TenantState> {
    return (this.#state ??= this.services.tenantStates.read(this.tenantId));
  }

  /**
   * An answer from the cache, or loaded. It is found only under the version that its tenant's data has now (or had a moment
   * ago: law 7) and by the same authority. `versionFromNowOn`: under the version that is read after this call.
   */
  async cached<T>(
    name: string,
    args: unknown,
    range: TimeRange | null,
    load: () => Promise<T>,
    options: { readonly versionFromNowOn?: boolean } = {},
  ): Promise<CachedAnswer<T>> {
    const { tenantId, services, principal, now } = this;
    const { version } = await services.tenantStates.read(tenantId, { fromNowOn: options.versionFromNowOn === true });
    const key = { tenantId, version, authority: principal.authority, name, args: args as JsonValue };
    const answer = await services.cache.getOrLoad(key, ttlClassOf(range, now), load, this.#enter);
    this.answerLife.endsBy(answer.expiresAt);
    return answer;
  }

  /** Tells that something was read that changes with the version, but is not kept by itself: as long as what includes now. */
  holdsForNow(): void {
    this.answerLife.endsBy(this.services.cache.expiryOf("OPEN"));
  }

  /** Whether the principal sees the campaign. Lists are to be read with the principal's tags as a filter. */
  sees(campaign: { readonly tags: readonly string[] }): boolean {
    const { campaignTags } = this.principal;
    return campaignTags === null || campaign.tags.some((tag) => campaignTags.includes(tag));
  }

  /** Throws UNAVAILABLE where that cannot be told at the moment. */
  may(...anyOf: readonly [Scope, ...Scope[]]): boolean {
    return holdsScope(this.principal, ...anyOf);
  }
}
