import { Arg, Ctx, ID, Query, Resolver } from "type-graphql";
import { findApiKeys } from "../../access/api-keys.js";
import { PublicError } from "../../errors.js";
import {
  type ApiKeyId,
  type AuditEntryId,
  type CampaignId,
  type DeadLetterId,
  isUuid,
  type ReceiptId,
  type RecipientKey,
  typeOfGlobalId,
  uuidOfGlobalId,
} from "../../ids.js";
import { findDeadLetter } from "../../ingest/dead-letters/dead-letter-pages.js";
import { findReceipt } from "../../ingest/receipts.js";
import { findErasure } from "../../privacy/erasure.js";
import { campaignOf } from "../campaign-node.js";
import type { RequestContext, TenantContext } from "../context.js";
import { eventOf } from "../event-node.js";
import { eventReferenceOf } from "../loaders.js";
import { NodeType } from "../types/node-type.js";
import { apiKeyOf } from "./api-key-resolver.js";
import { AUDIT_SUBJECTS, auditEntryOf } from "./audit-resolver.js";
import { deadLetterOf } from "./dead-letter-resolver.js";
import { receiptOf } from "./ingest-resolver.js";
import { erasureOf } from "./recipient-resolver.js";
import { tenantOf } from "./viewer-resolver.js";

const MAX_NODES = 100;

/** Finds one kind of object by id; null for what is not there, is another tenant's, or needs a scope that is missing. */
type Find = (tenant: TenantContext, id: string) => Promise<NodeType | null>;

const FINDERS: Readonly<Record<string, Find>> = {
  async Tenant(tenant, id) {
    return uuidOfGlobalId("Tenant", id) === tenant.tenantId ? tenantOf(await tenant.loaders.tenant()) : null;
  },
  async Campaign(tenant, id) {
    const uuid = uuidOfGlobalId("Campaign", id);
    if (uuid === null || !tenant.may("READ_METRICS", "MANAGE_CAMPAIGNS")) return null;
    const row = await tenant.loaders.campaign.load(uuid as CampaignId);
    return row === null ? null : campaignOf(row);
  },
  async ApiKey(tenant, id) {
    const uuid = uuidOfGlobalId("ApiKey", id);
    if (uuid === null || !tenant.may("MANAGE_KEYS")) return null;
    const [apiKey] = await findApiKeys(tenant.metrics, tenant.tenantId, [uuid as ApiKeyId]);
    return apiKey === undefined ? null : apiKeyOf(apiKey, tenant.now);
  },
  async AuditEntry(tenant, id) {
    const uuid = uuidOfGlobalId("AuditEntry", id);
    if (uuid === null || !tenant.may("MANAGE_CAMPAIGNS", "MANAGE_KEYS")) return null;
    const row = await tenant.loaders.auditEntry.load(uuid as AuditEntryId);
    return row === null || !tenant.may(AUDIT_SUBJECTS[row.subject].scope) ? null : auditEntryOf(row);
  },
  async IngestReceipt(tenant, id) {
    const uuid = uuidOfGlobalId("IngestReceipt", id);
    if (uuid === null || !isUuid(uuid) || !tenant.may("WRITE_EVENTS")) return null;
    const receipt = await findReceipt(tenant.events, tenant.tenantId, uuid as ReceiptId);
    return receipt === null ? null : receiptOf(receipt);
  },
  async DeadLetter(tenant, id) {
    const uuid = uuidOfGlobalId("DeadLetter", id);
    if (uuid === null || !tenant.may("OPERATE")) return null;
    const letter = await findDeadLetter(tenant.events, tenant.tenantId, uuid as DeadLetterId);
    return letter === null ? null : deadLetterOf(letter);
  },
  async RecipientErasure(tenant, id) {
    const uuid = uuidOfGlobalId("RecipientErasure", id);
    if (uuid === null || !tenant.may("MANAGE_RECIPIENTS")) return null;
    const erasure = await findErasure(tenant.events, tenant.tenantId, uuid as RecipientKey);
    return erasure === null ? null : erasureOf(erasure);
  },
  async Event(tenant, id) {
    const reference = eventReferenceOf(id);
    if (reference === null || !tenant.may("READ_EVENTS")) return null;
    const row = await tenant.loaders.event.load(reference);
    return row === null ? null : eventOf(row);
  },
};

async function find(tenant: TenantContext, id: string): Promise<NodeType | null> {
  const type = typeOfGlobalId(id);
  const finder = Object.hasOwn(FINDERS, type) ? FINDERS[type] : undefined;
  return finder === undefined ? null : finder(tenant, id);
}

@Resolver()
export class NodeResolver {
  @Query(() => NodeType, {
    nullable: true,
    description: "The object of this id; null where there is none that the key may see.",
  })
  node(
    @Arg("id", () => ID, { description: "An id that an object showed." }) id: string,
    @Ctx() context: RequestContext,
  ): Promise<NodeType | null> {
    return find(context.authenticated(), id);
  }

  @Query(() => [NodeType], {
    nullable: "items",
    description: "The objects of these ids, in their order, at most 100; null in the place of each that there is not.",
  })
  nodes(
    @Arg("ids", () => [ID], { description: "Ids that objects showed." }) ids: string[],
    @Ctx() context: RequestContext,
  ): Promise<(NodeType | null)[]> {
    const tenant = context.authenticated();
    if (ids.length > MAX_NODES) {
      throw new PublicError("BAD_INPUT", `nodes takes at most ${MAX_NODES} ids.`, { field: ["ids"] });
    }
    return Promise.all(ids.map((id) => find(tenant, id)));
  }
}
