import { Field, ID, InterfaceType } from "type-graphql";

@InterfaceType("Node", {
  description: "Whatever has an id of its own and can be asked for by it.",
})
export abstract class NodeType {
  @Field(() => ID, { description: "Opaque; unique over all types." })
  id!: string;
}
