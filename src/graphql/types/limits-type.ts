import { Field, Int, ObjectType } from "type-graphql";
import { GranularityEnum, type GranularityName } from "../enums.js";
import { BigIntScalar } from "../scalars.js";

@ObjectType("PageLimits", { simpleResolvers: true, description: "How many rows a page has." })
export class PageLimitsType {
  @Field(() => Int, { description: "Where neither first nor last is given." })
  defaultSize!: number;

  @Field(() => Int, { description: "The most that first and last may be." })
  maxSize!: number;

  @Field(() => Int, { description: "Pages in pages: campaigns, and the links of each, are 2." })
  maxNested!: number;
}

@ObjectType("RangeLimit", { simpleResolvers: true, description: "How long a range a series may have." })
export class RangeLimitType {
  @Field(() => GranularityEnum, { description: "Of the series." })
  granularity!: GranularityName;

  @Field(() => BigIntScalar, {
    description: "A range up to so many seconds has few enough buckets, wherever it begins and in every zone.",
  })
  maxSeconds!: number;
}

@ObjectType("SeriesLimits", { simpleResolvers: true, description: "How fine and how long a series may be." })
export class SeriesLimitsType {
  @Field(() => Int, { description: "Buckets of one series." })
  maxPoints!: number;

  @Field(() => GranularityEnum, { description: "The shortest buckets that there are." })
  finestGranularity!: GranularityName;

  @Field(() => [RangeLimitType], { description: "What follows for ranges, by granularity." })
  ranges!: readonly RangeLimitType[];
}

@ObjectType("DocumentLimits", { simpleResolvers: true, description: "How large one call and its document may be." })
export class DocumentLimitsType {
  @Field(() => Int, { description: "Bytes of the body." })
  maxBytes!: number;

  @Field(() => Int, { description: "Operations of one call: several are not taken." })
  maxOperations!: number;

  @Field(() => Int, { description: "Tokens of the document." })
  maxTokens!: number;

  @Field(() => Int, { description: "Levels of fields in fields." })
  maxDepth!: number;

  @Field(() => Int, { description: "Aliased and repeated fields, those of a fragment each time it is spread." })
  maxAliases!: number;

  @Field(() => Int, { description: "Directives, counted likewise." })
  maxDirectives!: number;
}

@ObjectType("CostLimits", {
  simpleResolvers: true,
  description:
    "What may be spent, in points. What is left is told with every answer, in `extensions.cost.throttle.available`.",
})
export class CostLimitsType {
  @Field(() => BigIntScalar, {
    nullable: true,
    description: "The most that one operation may cost; above it is QUERY_TOO_COSTLY. Null: there is no limit.",
  })
  maxQueryCost!: number | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description:
      "The key's budget, or the user's: what may be spent at once; past it is THROTTLED. Null: nobody is throttled.",
  })
  maximum!: number | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: "So many points come back each second, up to the maximum.",
  })
  restoreRate!: number | null;
}

@ObjectType("Limits", { simpleResolvers: true, description: "What may be asked for. The same for all keys." })
export class LimitsType {
  @Field(() => PageLimitsType, { description: "Of every list." })
  pages!: PageLimitsType;

  @Field(() => SeriesLimitsType, { description: "Of every series." })
  series!: SeriesLimitsType;

  @Field(() => Int, {
    nullable: true,
    description:
      "Days that events are kept for: older ones are refused and dropped. Their counts stay. Null: for good.",
  })
  eventRetentionDays!: number | null;

  @Field(() => Int, { description: "Events of one call of recordEvents." })
  maxEventsPerCall!: number;

  @Field(() => Int, { description: "Characters of an answer, about: past it there is no answer but TOO_LARGE." })
  maxAnswerChars!: number;

  @Field(() => DocumentLimitsType, { description: "Of a call and its document." })
  document!: DocumentLimitsType;

  @Field(() => CostLimitsType, { description: "Of what operations cost." })
  cost!: CostLimitsType;

  @Field(() => Int, { description: "Milliseconds that one statement may take in the database; then the field fails." })
  statementTimeoutMs!: number;
}
