import { ArgsType, Field, ObjectType } from "type-graphql";
import type { EpochMicros } from "../../time/instant.js";
import { BigIntScalar, DateTimeScalar } from "../scalars.js";
import { DateTimeRangeInput } from "./date-time-range-input.js";

const REQUESTS =
  "Requests with the key to GraphQL: answered or refused, read anew or given again from the cache. Not those whose HTTP was refused before the key was looked at, such as too large a body.";
const EVENTS =
  "Events that recordEvents accepted from the key. A call that is repeated under its idempotency key adds none; an event that is sent again in another call is counted again, though it counts once in the metrics.";
const COST =
  "Points that the key's requests cost, as `extensions.cost.actual` told each. An answer that is given again from the cache costs one.";

@ObjectType("ApiKeyUsageDay", { simpleResolvers: true, description: "What was done with a key on one day." })
export class ApiKeyUsageDayType {
  @Field(() => DateTimeScalar, { description: "Where the day begins: midnight in UTC." })
  start!: EpochMicros;

  @Field(() => BigIntScalar, { description: REQUESTS })
  requests!: number;

  @Field(() => BigIntScalar, { description: EVENTS })
  events!: number;

  @Field(() => BigIntScalar, { description: COST })
  cost!: number;
}

@ObjectType("ApiKeyUsage", {
  simpleResolvers: true,
  description:
    "What was done with a key, by days in UTC. Servers write it every ten seconds, so it lags by as much; what a server had not written when it was killed is missing.",
})
export class ApiKeyUsageType {
  @Field(() => DateTimeScalar, { description: "Where the first day begins." })
  from!: EpochMicros;

  @Field(() => DateTimeScalar, { description: "Where the last day ends (exclusive)." })
  to!: EpochMicros;

  @Field(() => BigIntScalar, { description: `Of all the days. ${REQUESTS}` })
  requests!: number;

  @Field(() => BigIntScalar, { description: `Of all the days. ${EVENTS}` })
  events!: number;

  @Field(() => BigIntScalar, { description: `Of all the days. ${COST}` })
  cost!: number;

  @Field(() => [ApiKeyUsageDayType], { description: "Every day, the oldest first, without holes." })
  days!: ApiKeyUsageDayType[];
}

@ArgsType()
export class ApiKeyUsageArgs {
  @Field(() => DateTimeRangeInput, {
    nullable: true,
    description:
      "From when to when, widened to the days (UTC) that it touches: at most 400. Left out: today and the 29 days before.",
  })
  range?: DateTimeRangeInput | null;
}
