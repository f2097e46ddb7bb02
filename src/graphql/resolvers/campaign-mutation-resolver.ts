import { Arg, Ctx, ID, Mutation, Resolver } from "type-graphql";
import { actorOf } from "../../access/principal.js";
import { PublicError } from "../../errors.js";
import { type CampaignId, uuidOfGlobalId } from "../../ids.js";
import type { RequestContext, TenantContext } from "../context.js";
import { campaignOf } from "../campaign-node.js";
import { CampaignPayload, CreateCampaignInput, UpdateCampaignInput } from "../types/campaign-type.js";
import { AT_ID, withUserErrors } from "../user-errors.js";

const NEEDS = "Needs the scope MANAGE_CAMPAIGNS.";

@Resolver()
export class CampaignMutationResolver {
  @Mutation(() => CampaignPayload, { description: `Makes a campaign. ${NEEDS}` })
  createCampaign(
    @Arg("input", () => CreateCampaignInput, { description: "What it is." }) input: CreateCampaignInput,
    @Ctx() context: RequestContext,
  ): Promise<CampaignPayload> {
    return change(context, (tenant) => {
      const { externalId, name, subject, tags, sentAt } = input;
      return tenant.services.campaigns.create(
        tenant.tenantId,
        {
          externalId: externalId ?? null,
          name,
          subject: subject ?? null,
          tags: tags ?? [],
          sentAt: sentAt ?? null,
        },
        actorOf(tenant.principal),
      );
    });
  }

  @Mutation(() => CampaignPayload, { description: `Changes what is said of a campaign. ${NEEDS}` })
  updateCampaign(
    @Arg("input", () => UpdateCampaignInput, { description: "What changes." }) input: UpdateCampaignInput,
    @Ctx() context: RequestContext,
  ): Promise<CampaignPayload> {
    return change(
      context,
      async (tenant) => {
        const id = campaignIdOf(input.id);
        await tenant.services.campaigns.update(tenant.tenantId, id, input, actorOf(tenant.principal));
        return id;
      },
      (field) => field ?? ["input", "id"],
    );
  }

  @Mutation(() => CampaignPayload, {
    description: `Takes a campaign out of lists and frees its external id. Its numbers stay, and late events still count. ${NEEDS}`,
  })
  archiveCampaign(
    @Arg("id", () => ID, { description: "The campaign." }) id: string,
    @Ctx() context: RequestContext,
  ): Promise<CampaignPayload> {
    return change(
      context,
      async (tenant) => {
        await tenant.services.campaigns.archive(tenant.tenantId, campaignIdOf(id), actorOf(tenant.principal));
        return campaignIdOf(id);
      },
      AT_ID,
    );
  }

  @Mutation(() => CampaignPayload, { description: `Takes a campaign out of the archive. ${NEEDS}` })
  restoreCampaign(
    @Arg("id", () => ID, { description: "The campaign." }) id: string,
    @Ctx() context: RequestContext,
  ): Promise<CampaignPayload> {
    return change(
      context,
      async (tenant) => {
        await tenant.services.campaigns.restore(tenant.tenantId, campaignIdOf(id), actorOf(tenant.principal));
        return campaignIdOf(id);
      },
      AT_ID,
    );
  }
}

function campaignIdOf(id: string): CampaignId {
  const uuid = uuidOfGlobalId("Campaign", id);
  if (uuid === null) throw new PublicError("NOT_FOUND", "There is no such campaign.");
  return uuid as CampaignId;
}

async function change(
  context: RequestContext,
  work: (tenant: TenantContext) => Promise<CampaignId>,
  placeOf?: Parameters<typeof withUserErrors>[1],
): Promise<CampaignPayload> {
  const tenant = context.require("MANAGE_CAMPAIGNS");
  const { result: id, userErrors } = await withUserErrors(() => work(tenant), placeOf);
  if (id === null) return { campaign: null, userErrors };
  const row = await tenant.loaders.campaign.clear(id).load(id);
  return { campaign: row === null ? null : campaignOf(row), userErrors };
}
