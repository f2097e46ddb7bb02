import { Field, InputType } from "type-graphql";
import type { EpochMicros } from "../../time/instant.js";
import { DateTimeScalar } from "../scalars.js";

@InputType("DateTimeRange", {
  description:
    "Half-open: from is in it, to is not. Metrics widen it outwards to the quarter-hours (UTC) that it touches and say so; event pages take it to the microsecond.",
})
export class DateTimeRangeInput {
  @Field(() => DateTimeScalar, { description: "Where it begins." })
  from!: EpochMicros;

  @Field(() => DateTimeScalar, { description: "Where it ends; later than from." })
  to!: EpochMicros;
}
