import { Field, ID, ObjectType } from "type-graphql";
import type { AuditAction, AuditActor, AuditFields } from "../../audit/audit-entry.js";
import type { EpochMicros } from "../../time/instant.js";
import { AuditActionEnum, AuditActorKindEnum } from "../enums.js";
import { DateTimeScalar, JsonObjectScalar } from "../scalars.js";
import { type ConnectionOf, type EdgeOf, PageInfoType } from "./connection-type.js";
import { NodeType } from "./node-type.js";

@ObjectType("AuditActor", { simpleResolvers: true, description: "Who made a change." })
export class AuditActorType {
  @Field(() => AuditActorKindEnum, { description: "Who that is." })
  kind!: AuditActor["kind"];

  @Field(() => ID, { nullable: true, description: "The API key, by its id; null where it was none." })
  keyId!: string | null;

  @Field(() => String, { nullable: true, description: "What the key was called then; null where it was none." })
  name!: string | null;

  @Field(() => String, { nullable: true, description: "The user, as its issuer calls it; null where it was none." })
  subject!: string | null;

  @Field(() => String, { nullable: true, description: "Who knows the user by that name; null where it was none." })
  issuer!: string | null;
}

@ObjectType("AuditEntry", {
  simpleResolvers: true,
  implements: NodeType,
  description: "A change of a campaign, an API key or a tenant. It is kept for good, and nobody can alter it.",
})
export class AuditEntryType extends NodeType {
  readonly __typename = "AuditEntry";

  @Field(() => ID, { description: "Opaque; unique over all types." })
  declare id: string;

  @Field(() => AuditActionEnum, { description: "What was done." })
  action!: AuditAction;

  @Field(() => DateTimeScalar, { description: "When it was done." })
  occurredAt!: EpochMicros;

  @Field(() => AuditActorType, { description: "Who did it." })
  actor!: AuditActorType;

  @Field(() => ID, { description: "The id of the campaign, key or tenant that was changed." })
  subjectId!: string;

  @Field(() => JsonObjectScalar, {
    nullable: true,
    description: "The fields that changed, as they were; null where it was made. A secret is never among them.",
  })
  before!: AuditFields | null;

  @Field(() => JsonObjectScalar, { description: "The fields that changed, as they became." })
  after!: AuditFields;
}

@ObjectType("AuditEntryEdge", { simpleResolvers: true, description: "A change in a list." })
export class AuditEntryEdge implements EdgeOf<AuditEntryType> {
  @Field(() => String, { description: "Where it stands in this list, for after and before." })
  cursor!: string;

  @Field(() => AuditEntryType, { description: "The change." })
  node!: AuditEntryType;
}

@ObjectType("AuditEntryConnection", { simpleResolvers: true, description: "A page of changes, newest first." })
export class AuditEntryConnection implements ConnectionOf<AuditEntryType> {
  @Field(() => [AuditEntryEdge], { description: "The page, with cursors." })
  edges!: readonly AuditEntryEdge[];

  @Field(() => [AuditEntryType], { description: "The page, without cursors." })
  nodes!: readonly AuditEntryType[];

  @Field(() => PageInfoType, { description: "Where the page lies in the list." })
  pageInfo!: PageInfoType;
}
