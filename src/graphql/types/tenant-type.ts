import { Field, ID, ObjectType } from "type-graphql";
import type { Scope } from "../../access/scope.js";
import type { TimeZoneId } from "../../time/time-zone.js";
import { ScopeEnum } from "../enums.js";
import { TimeZoneScalar } from "../scalars.js";
import { LimitsType } from "./limits-type.js";
import { NodeType } from "./node-type.js";

@ObjectType("Tenant", {
  simpleResolvers: true,
  implements: NodeType,
  description: "One customer, with data of its own that nobody else sees.",
})
export class TenantType extends NodeType {
  readonly __typename = "Tenant";

  @Field(() => ID, { description: "Opaque; unique over all types." })
  declare id: string;

  @Field(() => String, { description: "What the tenant is called." })
  name!: string;

  @Field(() => String, { description: "Its short name among all tenants." })
  slug!: string;

  @Field(() => TimeZoneScalar, { description: "Where its days begin, unless a query names another zone." })
  timeZone!: TimeZoneId;
}

@ObjectType("Viewer", { simpleResolvers: true, description: "Who is asking." })
export class ViewerType {
  @Field(() => TenantType, { description: "The tenant that the key belongs to." })
  tenant!: TenantType;

  @Field(() => [ScopeEnum], { description: "What the key may do." })
  scopes!: readonly Scope[];

  @Field(() => LimitsType, { description: "What may be asked for, and what it may cost." })
  limits!: LimitsType;
}
