import { Arg, Ctx, ID, Int, Mutation, Resolver } from "type-graphql";
import { type ApiKey, createApiKey, revokeApiKey, rotateApiKey } from "../../access/api-keys.js";
import { actorOf, assertMayGrant } from "../../access/principal.js";
import { PublicError } from "../../errors.js";
import { type ApiKeyId, encodeGlobalId, uuidOfGlobalId } from "../../ids.js";
import { writeAsTenant } from "../../tenancy/transactions.js";
import type { EpochMicros } from "../../time/instant.js";
import type { RequestContext } from "../context.js";
import { ApiKeyType, CreateApiKeyInput, CreateApiKeyPayload, RevokeApiKeyPayload } from "../types/api-key-type.js";
import { AT_ID, withUserErrors } from "../user-errors.js";

const NEEDS = "Needs the scope MANAGE_KEYS.";

/** The key as it is now. */
export function apiKeyOf(apiKey: ApiKey, now: EpochMicros): ApiKeyType {
  const isOver = apiKey.formerExpiresAt === null || apiKey.formerExpiresAt <= now || apiKey.revokedAt !== null;
  return Object.assign(new ApiKeyType(), apiKey, {
    id: encodeGlobalId("ApiKey", apiKey.id),
    ...(isOver && { formerPrefix: null, formerExpiresAt: null }),
  });
}

/** Whatever is wrong with a rotation, but for the overlap, is with the key. */
function placeInRotation(field: readonly string[] | undefined): readonly string[] {
  return field?.[0] === "overlapSeconds" ? field : AT_ID();
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
      const { name, scopes, expiresAt = null, campaignTags = null } = input;
      return writeAsTenant(services.metrics, tenantId, (session) =>
        createApiKey(session, tenantId, { name, scopes, expiresAt, campaignTags }, actorOf(principal), now),
      );
    });
    if (result === null) return { apiKey: null, secret: null, userErrors };
    return { apiKey: apiKeyOf(result.apiKey, now), secret: result.secret, userErrors };
  }

  @Mutation(() => CreateApiKeyPayload, {
    description: `Gives a key another secret; the old one is refused within a second, or when the overlap is over. ${NEEDS}`,
  })
  async rotateApiKey(
    @Arg("id", () => ID, { description: "The key." }) id: string,
    @Arg("overlapSeconds", () => Int, {
      defaultValue: 0,
      description:
        "How long the old secret goes on working beside the new one, at most 7 days where the operator has not set another limit. 0, or a second rotation meanwhile, ends every older secret at once.",
    })
    overlapSeconds: number,
    @Ctx() context: RequestContext,
  ): Promise<CreateApiKeyPayload> {
    const { services, tenantId, principal, now } = context.require("MANAGE_KEYS");
    const { maxKeyOverlapSeconds: maxOverlapSeconds } = services;
    const { result, userErrors } = await withUserErrors(
      () =>
        writeAsTenant(services.metrics, tenantId, async (session) =>
          rotateApiKey(session, tenantId, { id: apiKeyIdOf(id), overlapSeconds, maxOverlapSeconds }, principal, now),
        ),
      placeInRotation,
    );
    if (result === null) return { apiKey: null, secret: null, userErrors };
    return { apiKey: apiKeyOf(result.apiKey, now), secret: result.secret, userErrors };
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
    return { apiKey: result === null ? null : apiKeyOf(result, now), userErrors };
  }
}
