import { ArgsType, Field } from "type-graphql";
import {
  BasisEnum,
  type BasisName,
  RateProfileEnum,
  type RateProfileName,
  TrafficEnum,
  type TrafficName,
} from "../enums.js";

/** What is counted and how rates are made of it. */
@ArgsType()
export class MeasureArgs {
  @Field(() => BasisEnum, {
    defaultValue: "EVENT",
    description: "What a range is about: what happened in it, or what was sent in it.",
  })
  basis!: BasisName;

  @Field(() => TrafficEnum, { defaultValue: "ALL", description: "Which opens and clicks count." })
  traffic!: TrafficName;

  @Field(() => RateProfileEnum, { defaultValue: "DEFAULT", description: "What rates are divided by." })
  rates!: RateProfileName;
}
