import { Field, ID, InputType } from "type-graphql";

@InputType("KpiFilter", {
  description: "Whose numbers: all that is given must hold. Null is no filter, [] is nothing.",
})
export class KpiFilterInput {
  @Field(() => [ID], { nullable: true, description: "These campaigns." })
  campaignIds?: string[] | null;

  @Field(() => [String], { nullable: true, description: "Campaigns with any of these tags." })
  tags?: string[] | null;
}
