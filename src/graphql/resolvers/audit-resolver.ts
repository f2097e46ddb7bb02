import { Args, Ctx, FieldResolver, Resolver, Root } from "type-graphql";
import type { Scope } from "../../access/scope.js";
import type { AuditSubject } from "../../audit/audit-entry.js";
import type { AuditRow } from "../../audit/read-audit.js";
import { encodeGlobalId, uuidOfGlobalId } from "../../ids.js";
import { pageOf, readBounds, rowsToFetch } from "../../pages/page.js";
import { readPageArguments } from "../../pages/page-arguments.js";
import type { EpochMicros } from "../../time/instant.js";
import { connectionOf } from "../connection.js";
import type { RequestContext, TenantContext } from "../context.js";
import { ApiKeyType } from "../types/api-key-type.js";
import { AuditEntryConnection, AuditEntryType } from "../types/audit-type.js";
import { CampaignType } from "../types/campaign-type.js";
import { type ConnectionOf, PageArgs } from "../types/connection-type.js";
import { TenantType } from "../types/tenant-type.js";

/** The type that each kind of subject has in the schema, and the scope that its changes need. */
export const AUDIT_SUBJECTS: Readonly<Record<AuditSubject, { readonly type: string; readonly scope: Scope }>> = {
  TENANT: { type: "Tenant", scope: "MANAGE_KEYS" },
  API_KEY: { type: "ApiKey", scope: "MANAGE_KEYS" },
  CAMPAIGN: { type: "Campaign", scope: "MANAGE_CAMPAIGNS" },
};

export function auditEntryOf(row: AuditRow): AuditEntryType {
  const { action, occurredAt, before, after, actor: kind, actorKeyId, actorKeyName: name } = row;
  const { actorSubject: subject, actorIssuer: issuer } = row;
  const keyId = actorKeyId === null ? null : encodeGlobalId("ApiKey", actorKeyId);
  return Object.assign(new AuditEntryType(), {
    id: encodeGlobalId("AuditEntry", row.id),
    action,
    occurredAt,
    actor: { kind, keyId, name, subject, issuer },
    subjectId: encodeGlobalId(AUDIT_SUBJECTS[row.subject].type, row.subjectId),
    before,
    after,
  });
}

type Position = readonly [EpochMicros, string];

async function readTrail(
  { tenantId, services, loaders }: TenantContext,
  subjectId: string,
  args: PageArgs,
): Promise<ConnectionOf<AuditEntryType>> {
  const page = readPageArguments(args);
  const binding = { tenantId, list: "audit_trail", filter: subjectId, order: "newest" };
  const bounds = readBounds<Position>(services.cursors, binding, page);
  const rows = await loaders.auditTrail.load({
    subjectId,
    page: {
      limit: rowsToFetch(page),
      take: page.direction === "FORWARD" ? "FIRST" : "LAST",
      after: positionOf(bounds.after),
      before: positionOf(bounds.before),
    },
  });
  const fetched = page.direction === "FORWARD" ? rows : rows.toReversed();
  return connectionOf(pageOf(fetched, page, binding, edgeOf), auditEntryOf, services.cursors);
}

const edgeOf = (node: AuditRow) => ({ node, position: [node.occurredAt, node.id] });

function positionOf(position: Position | null) {
  return position === null ? undefined : { occurredAt: position[0], id: position[1] };
}

@Resolver(() => CampaignType)
export class CampaignAuditResolver {
  @FieldResolver(() => AuditEntryConnection, {
    description: "Each change of the campaign, newest first. Needs the scope MANAGE_CAMPAIGNS.",
  })
  auditTrail(
    @Root() { campaignId }: CampaignType,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: RequestContext,
  ): Promise<ConnectionOf<AuditEntryType>> {
    return readTrail(context.require(AUDIT_SUBJECTS.CAMPAIGN.scope), campaignId, args);
  }
}

@Resolver(() => ApiKeyType)
export class ApiKeyAuditResolver {
  @FieldResolver(() => AuditEntryConnection, {
    description: "Each change of the key, newest first; its use is none. Needs the scope MANAGE_KEYS.",
  })
  auditTrail(
    @Root() { id }: ApiKeyType,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: RequestContext,
  ): Promise<ConnectionOf<AuditEntryType>> {
    const keyId = uuidOfGlobalId("ApiKey", id);
    if (keyId === null) throw new Error("An API key that was read has an id");
    return readTrail(context.require(AUDIT_SUBJECTS.API_KEY.scope), keyId, args);
  }
}

@Resolver(() => TenantType)
export class TenantAuditResolver {
  @FieldResolver(() => AuditEntryConnection, {
    description:
      "Each change of the tenant itself, newest first; its keys and campaigns have their own. Needs the scope MANAGE_KEYS.",
  })
  auditTrail(
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: RequestContext,
  ): Promise<ConnectionOf<AuditEntryType>> {
    const tenant = context.require(AUDIT_SUBJECTS.TENANT.scope);
    return readTrail(tenant, tenant.tenantId, args);
  }
}
