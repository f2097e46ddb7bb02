import { Field, Float, ObjectType } from "type-graphql";
import type { EpochMicros } from "../../time/instant.js";
import { BigIntScalar, DateTimeScalar, DecimalScalar } from "../scalars.js";

@ObjectType("Tally", { simpleResolvers: true, description: "How often something happened, and to how many." })
export class TallyType {
  @Field(() => BigIntScalar, { description: "Events." })
  total!: number;

  @Field(() => BigIntScalar, {
    description:
      "Recipients of a campaign, each counted at the first time it happened there. Unique counts add up: days sum to the campaign, campaigns to the tenant.",
  })
  unique!: number;
}

@ObjectType("BounceTally", { simpleResolvers: true, description: "Bounces; the classes split the total." })
export class BounceTallyType {
  @Field(() => BigIntScalar, { description: "BOUNCED events." })
  total!: number;

  @Field(() => BigIntScalar, { description: "Recipients of a campaign with a BOUNCED, each at the first one." })
  unique!: number;

  @Field(() => BigIntScalar, { description: "Events of class HARD: permanent (status 5.x.x)." })
  hard!: number;

  @Field(() => BigIntScalar, { description: "Events of class SOFT: temporary, given up at last (status 4.x.x)." })
  soft!: number;

  @Field(() => BigIntScalar, { description: "Events of class BLOCK: refused by policy or for reputation." })
  block!: number;

  @Field(() => BigIntScalar, { description: "Events whose source does not say why." })
  undetermined!: number;
}

@ObjectType("Rate", {
  simpleResolvers: true,
  description: "A fraction of unique counts on the same basis and range, with both of them.",
})
export class RateType {
  @Field(() => Float, {
    nullable: true,
    description: "numerator / denominator, such as 0.2228; null where the denominator is 0.",
  })
  value!: number | null;

  @Field(() => BigIntScalar, { description: "The unique count above the line." })
  numerator!: number;

  @Field(() => BigIntScalar, { description: "The unique count below the line." })
  denominator!: number;
}

@ObjectType("Money", { simpleResolvers: true, description: "An amount in one currency." })
export class MoneyType {
  @Field(() => DecimalScalar, { description: "An exact decimal, in units of the currency." })
  amount!: string;

  @Field(() => String, { description: "ISO 4217, such as USD." })
  currency!: string;
}

@ObjectType("Metrics", {
  simpleResolvers: true,
  description: "Every count and rate of a range, on one basis and for one kind of traffic.",
})
export class MetricsType {
  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      "The beginning of the range that was answered: widened to quarter-hours. Null where everything was asked for.",
  })
  from!: EpochMicros | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "The end (exclusive) of the range that was answered. Null where everything was asked for.",
  })
  to!: EpochMicros | null;

  @Field(() => TallyType, { description: "Handed over for delivery." })
  sent!: TallyType;

  @Field(() => TallyType, {
    description:
      "Accepted by the recipient's mail server. Unique: recipients with a DELIVERED or any engagement, at the earliest of these; not those with a BOUNCED and no engagement. The total counts DELIVERED events alone, so it may lie below.",
  })
  delivered!: TallyType;

  @Field(() => TallyType, { description: "Temporarily refused, still being tried; never a bounce." })
  deferred!: TallyType;

  @Field(() => BounceTallyType, { description: "Finally not delivered." })
  bounced!: BounceTallyType;

  @Field(() => TallyType, { description: "Tracking pixel fetched." })
  opened!: TallyType;

  @Field(() => TallyType, { description: "Tracked link followed." })
  clicked!: TallyType;

  @Field(() => TallyType, { description: "Reported as spam." })
  complained!: TallyType;

  @Field(() => TallyType, { description: "Opted out." })
  unsubscribed!: TallyType;

  @Field(() => TallyType, { description: "Did what the campaign was for." })
  converted!: TallyType;

  @Field(() => TallyType, { description: "Dropped before sending." })
  rejected!: TallyType;

  @Field(() => [MoneyType], { description: "The sum of CONVERTED amounts, one entry per currency." })
  revenue!: readonly MoneyType[];

  @Field(() => [MoneyType], {
    description:
      "revenue / delivered (unique), per currency, to 6 decimals; / sent with rates: PER_SENT. Empty where nothing was delivered.",
  })
  revenuePerEmail!: readonly MoneyType[];

  @Field(() => RateType, { description: "delivered / sent." })
  deliveryRate!: RateType;

  @Field(() => RateType, { description: "Unique opens / delivered; / sent with rates: PER_SENT." })
  openRate!: RateType;

  @Field(() => RateType, { description: "CTR: unique clicks / delivered; / sent with rates: PER_SENT." })
  clickRate!: RateType;

  @Field(() => RateType, {
    description:
      "CTOR: unique clicks / unique opens, of the same traffic. Can pass 1: there are clicks without an open.",
  })
  clickToOpenRate!: RateType;

  @Field(() => RateType, { description: "Bounced recipients / sent." })
  bounceRate!: RateType;

  @Field(() => RateType, { description: "Recipients with a HARD bounce / sent." })
  hardBounceRate!: RateType;

  @Field(() => RateType, { description: "Complained / delivered; / sent with rates: PER_SENT." })
  complaintRate!: RateType;

  @Field(() => RateType, { description: "Unsubscribed / delivered; / sent with rates: PER_SENT." })
  unsubscribeRate!: RateType;

  @Field(() => RateType, { description: "Converting recipients / delivered; / sent with rates: PER_SENT." })
  conversionRate!: RateType;
}

@ObjectType("MetricsPoint", {
  simpleResolvers: true,
  description: "One bucket of a series. Empty buckets are zeros, not holes.",
})
export class MetricsPointType {
  @Field(() => DateTimeScalar, { description: "Where the bucket begins; the first one is cut to the range." })
  start!: EpochMicros;

  @Field(() => DateTimeScalar, { description: "Where it ends (exclusive); the last one is cut to the range." })
  end!: EpochMicros;

  @Field(() => Boolean, {
    description: "Whether the bucket is still in progress: it has begun and now lies before its end.",
  })
  isPartial!: boolean;

  @Field(() => MetricsType, { description: "What the bucket counts." })
  metrics!: MetricsType;
}

@ObjectType("Freshness", { simpleResolvers: true, description: "How fresh an answer is." })
export class FreshnessType {
  @Field(() => DateTimeScalar, { description: "Everything that was accepted up to this time is in the numbers." })
  rolledUpThrough!: EpochMicros;

  @Field(() => BigIntScalar, {
    description:
      "Accepted events of the tenant that still wait, read before the numbers: at 0 the numbers beside it hold them all.",
  })
  pendingEvents!: number;

  @Field(() => Float, {
    nullable: true,
    description:
      "How long ago the numbers were read, in seconds, where they came from a cache; null where they did not.",
  })
  cacheAgeSeconds!: number | null;
}

@ObjectType("KpiComparison", { simpleResolvers: true, description: "The same numbers of an earlier range." })
export class KpiComparisonType {
  @Field(() => DateTimeScalar, { description: "The beginning of the earlier range." })
  from!: EpochMicros;

  @Field(() => DateTimeScalar, { description: "Its end (exclusive)." })
  to!: EpochMicros;

  @Field(() => MetricsType, { description: "Its numbers." })
  metrics!: MetricsType;
}
