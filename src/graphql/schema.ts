import "reflect-metadata";
import { createHash } from "node:crypto";
import {
  type GraphQLField,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  printSchema,
} from "graphql";
import { buildSchemaSync } from "type-graphql";
import { campaignMetrics, campaignSeries } from "./campaign-numbers.js";
import type { RequestContext } from "./context.js";
import { ApiKeyResolver } from "./resolvers/api-key-resolver.js";
import { ApiKeyUsageResolver } from "./resolvers/api-key-usage-resolver.js";
import { ApiKeyAuditResolver, CampaignAuditResolver, TenantAuditResolver } from "./resolvers/audit-resolver.js";
import { CampaignMutationResolver } from "./resolvers/campaign-mutation-resolver.js";
import {
  CampaignConnectionResolver,
  CampaignFieldResolver,
  CampaignQueryResolver,
} from "./resolvers/campaign-resolver.js";
import { CampaignEventsResolver, EventFieldResolver, EventResolver } from "./resolvers/event-resolver.js";
import { DeadLetterFieldResolver, DeadLetterResolver } from "./resolvers/dead-letter-resolver.js";
import { IngestResolver, recordEvents, type RecordEventsArgs } from "./resolvers/ingest-resolver.js";
import { KpiQueryResolver, KpiReportResolver } from "./resolvers/kpi-resolver.js";
import { NodeResolver } from "./resolvers/node-resolver.js";
import {
  RecipientCampaignResolver,
  RecipientExportResolver,
  RecipientResolver,
} from "./resolvers/recipient-resolver.js";
import { ViewerResolver } from "./resolvers/viewer-resolver.js";
import { EVENT_OBJECT_TYPES } from "./types/event-type.js";

/** The public schema. `npm run schema` prints it to schema.graphql, which is committed. */
export function buildPublicSchema(): GraphQLSchema {
  const schema = buildSchemaSync({
    resolvers: [
      NodeResolver,
      ViewerResolver,
      CampaignQueryResolver,
      CampaignConnectionResolver,
      CampaignFieldResolver,
      CampaignEventsResolver,
      KpiQueryResolver,
      KpiReportResolver,
      EventResolver,
      EventFieldResolver,
      IngestResolver,
      DeadLetterResolver,
      DeadLetterFieldResolver,
      RecipientResolver,
      RecipientExportResolver,
      RecipientCampaignResolver,
      CampaignMutationResolver,
      ApiKeyResolver,
      CampaignAuditResolver,
      ApiKeyAuditResolver,
      ApiKeyUsageResolver,
      TenantAuditResolver,
    ],
    // Reached through the interface Event alone, so nothing else names them.
    orphanedTypes: [...EVENT_OBJECT_TYPES],
    validate: false,
  });
  for (const type of Object.values(schema.getTypeMap())) {
    // Each object names its type. type-graphql makes a promise of that, for which compiled operations have no place.
    if (isInterfaceType(type)) type.resolveType = undefined;
  }
  for (const [type, fields] of Object.entries(AS_THEY_COME)) {
    for (const [name, resolve] of Object.entries(fields)) fieldOf(schema, type, name).resolve = resolve;
  }
  return schema;
}

/**
 * Fields that are resolved once for each event or campaign of a call, with their arguments as graphql-js has them: type-graphql
 * makes an instance of each of them, for an event as long as judging it takes.
 */
const AS_THEY_COME = {
  Mutation: {
    recordEvents: (_: unknown, { input }: RecordEventsArgs, context: RequestContext, info: GraphQLResolveInfo) =>
      recordEvents(input, context, { isAlone: hasOneField(info.operation) }),
  },
  Campaign: { metrics: campaignMetrics, series: campaignSeries },
} as const;

function hasOneField({ selectionSet: { selections } }: OperationDefinitionNode): boolean {
  const [first, ...others] = selections;
  return first?.kind === Kind.FIELD && others.length === 0;
}

function fieldOf(schema: GraphQLSchema, type: string, name: string): GraphQLField<unknown, unknown> {
  const object = schema.getType(type);
  const field = isObjectType(object) ? object.getFields()[name] : undefined;
  if (field === undefined) throw new Error(`The schema has no ${type}.${name}`);
  return field as GraphQLField<unknown, unknown>;
}

/** The same for schemas that say the same. */
export function schemaFingerprint(schema: GraphQLSchema): string {
  return createHash("sha256").update(printSchema(schema)).digest("base64url");
}
