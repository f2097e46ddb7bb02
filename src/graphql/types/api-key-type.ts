import { Field, ID, InputType, ObjectType } from "type-graphql";
import type { Scope } from "../../access/scope.js";
import type { EpochMicros } from "../../time/instant.js";
import { ScopeEnum } from "../enums.js";
import { DateTimeScalar } from "../scalars.js";
import { NodeType } from "./node-type.js";
import { UserErrorType } from "./user-error-type.js";

@ObjectType("ApiKey", {
  simpleResolvers: true,
  implements: NodeType,
  description: "A key of the tenant. Its secret is not kept.",
})
export class ApiKeyType extends NodeType {
  readonly __typename = "ApiKey";

  @Field(() => ID, { description: "Opaque; unique over all types." })
  declare id: string;

  @Field(() => String, { description: "What the key is for." })
  name!: string;

  @Field(() => String, { description: "The beginning of the secret, by which the key is recognised." })
  prefix!: string;

  @Field(() => [ScopeEnum], { description: "What it may do." })
  scopes!: readonly Scope[];

  @Field(() => [String], {
    nullable: true,
    description: "It sees campaigns that have any of these tags, and nothing of the others; null: it sees all.",
  })
  campaignTags!: readonly string[] | null;

  @Field(() => DateTimeScalar, { description: "When it was made." })
  createdAt!: EpochMicros;

  @Field(() => DateTimeScalar, { nullable: true, description: "From when on it is refused; null: never." })
  expiresAt!: EpochMicros | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "When it was used last, to about a minute; null: never.",
  })
  lastUsedAt!: EpochMicros | null;

  @Field(() => DateTimeScalar, { nullable: true, description: "When it was revoked; null: it was not." })
  revokedAt!: EpochMicros | null;

  @Field(() => String, {
    nullable: true,
    description:
      "The beginning of the secret before the last rotation, while that one still works beside the new one; else null.",
  })
  formerPrefix!: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "From when on the secret before the last rotation is refused; null: it is.",
  })
  formerExpiresAt!: EpochMicros | null;
}

@InputType("CreateApiKeyInput", { description: "A new API key." })
export class CreateApiKeyInput {
  @Field(() => String, { description: "What the key is for, 1 to 100 characters." })
  name!: string;

  @Field(() => [ScopeEnum], { description: "What it may do: at least one scope, none that the asking key lacks." })
  scopes!: Scope[];

  @Field(() => DateTimeScalar, { nullable: true, description: "From when on it is refused. Left out: never." })
  expiresAt?: EpochMicros | null;

  @Field(() => [String], {
    nullable: true,
    description:
      "Limits the key to campaigns that have any of these tags, 1 to 50, as they stand when it asks. Such a key has no other scopes than READ_METRICS and READ_EVENTS, and names a campaign where it asks for events. Left out: it sees all campaigns.",
  })
  campaignTags?: string[] | null;
}

@ObjectType("CreateApiKeyPayload", {
  simpleResolvers: true,
  description: "The new key, with the secret that is shown this once.",
})
export class CreateApiKeyPayload {
  @Field(() => ApiKeyType, { nullable: true, description: "Null where userErrors says why." })
  apiKey!: ApiKeyType | null;

  @Field(() => String, {
    nullable: true,
    description: "For the Authorization header, as Bearer. Shown this once, not kept.",
  })
  secret!: string | null;

  @Field(() => [UserErrorType], { description: "What is wrong with the input; empty where all went well." })
  userErrors!: UserErrorType[];
}

@ObjectType("RevokeApiKeyPayload", { simpleResolvers: true, description: "The key that is refused from now on." })
export class RevokeApiKeyPayload {
  @Field(() => ApiKeyType, { nullable: true, description: "Null where userErrors says why." })
  apiKey!: ApiKeyType | null;

  @Field(() => [UserErrorType], { description: "What is wrong with the input; empty where all went well." })
  userErrors!: UserErrorType[];
}
