import { Field, ID, InterfaceType } from "type-graphql";

@InterfaceType("Node", {
  description: "Whatever has an id of its own and can be asked for by it.",
  resolveType: (value: { readonly __typename: string }) => value.__typename,
})
export abstract class NodeType {
  @Field(() => ID, { description: "Opaque; unique over all types." })
  id!: string;
}
