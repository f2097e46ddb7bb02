import { Arg, Ctx, ID, Mutation, Resolver } from "type-graphql";
import { type ApiKey, createApiKey, revokeApiKey, rotateApiKey } from "../../access/api-keys.js";
import { actorOf, assertMayGrant } from "../../access/principal.js";
import { PublicError } from "../../errors.js";
import { type ApiKeyId, encodeGlobalId, uuidOfGlobalId } from "../../ids.js";
import { writeAsTenant } from "../../tenancy/transactions.js";
import type { RequestContext } from "../context.js";
import { ApiKeyType, CreateApiKeyInput, CreateApiKeyPayload, RevokeApiKeyPayload } from "../types/api-key-type.js";
import { AT_ID, withUserErrors } from "../user-errors.js";

const NEEDS = "Needs the scope MANAGE_KEYS.";

export function apiKeyOf(apiKey: ApiKey): ApiKeyType {
  return Object.assign(new ApiKeyType(), apiKey, { id: encodeGlobalId("ApiKey", apiKey.id) });
}

function apiKeyIdOf(id: string): ApiKeyId {
  const uuid = uuidOfGlobalId("ApiKey", id);
  if (uuid === null) throw new PublicError("NOT_FOUND", "There is no such API key.");
  return uuid as ApiKeyId;
}

@Resolver()
export class ApiKeyResolver {
  @Mutation(() => CreateApiKeyPayload, { description: `Makes an API key. ${NEEDS}` })
  async createApiKey(
    @Arg("input", () => CreateApiKeyInput, { description: "What the key is for and may do." }) input: CreateApiKeyInput,
    @Ctx() context: RequestContext,
  ): Promise<CreateApiKeyPayload> {
    const { services, tenantId, principal, now } = context.require("MANAGE_KEYS");
    const { result, userErrors } = await withUserErrors(() => {
      assertMayGrant(principal, input.scopes);
      const { name, scopes, expiresAt = null } = input;
      return writeAsTenant(services.metrics, tenantId, (session) =>
        createApiKey(session, tenantId, { name, scopes, expiresAt }, actorOf(principal), now),
      );
    });
    if (result === null) return { apiKey: null, secret: null, userErrors };
    return { apiKey: apiKeyOf(result.apiKey), secret: result.secret, userErrors };
  }

  @Mutation(() => CreateApiKeyPayload, {
    description: `Gives a key another secret; the old one is refused within a second. ${NEEDS}`,
  })
  async rotateApiKey(
    @Arg("id", () => ID, { description: "The key." }) id: string,
    @Ctx() context: RequestContext,
  ): Promise<CreateApiKeyPayload> {
    const { services, tenantId, principal, now } = context.require("MANAGE_KEYS");
    const { result, userErrors } = await withUserErrors(
      () =>
        writeAsTenant(services.metrics, tenantId, async (session) =>
          rotateApiKey(session, tenantId, apiKeyIdOf(id), principal, now),
        ),
      AT_ID,
    );
    if (result === null) return { apiKey: null, secret: null, userErrors };
    return { apiKey: apiKeyOf(result.apiKey), secret: result.secret, userErrors };
  }

  @Mutation(() => RevokeApiKeyPayload, {
    description: `Ends a key for good: it is refused within a second, on every server. ${NEEDS}`,
  })
  async revokeApiKey(
    @Arg("id", () => ID, { description: "The key." }) id: string,
    @Ctx() context: RequestContext,
  ): Promise<RevokeApiKeyPayload> {
    const { services, tenantId, principal, now } = context.require("MANAGE_KEYS");
    const { result, userErrors } = await withUserErrors(
      () =>
        writeAsTenant(services.metrics, tenantId, async (session) =>
          revokeApiKey(session, tenantId, apiKeyIdOf(id), actorOf(principal), now),
        ),
      AT_ID,
    );
    return { apiKey: result === null ? null : apiKeyOf(result), userErrors };
  }
}
