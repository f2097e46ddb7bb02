import { Field, ObjectType } from "type-graphql";

@ObjectType("UserError", {
  simpleResolvers: true,
  description: "What is wrong with a mutation's input. Nothing was changed.",
})
export class UserErrorType {
  @Field(() => String, { description: "A code from the catalogue of errors, such as BAD_INPUT." })
  code!: string;

  @Field(() => [String], { nullable: true, description: "The path to the input at fault." })
  field!: string[] | null;

  @Field(() => String, { description: "For people." })
  message!: string;
}
