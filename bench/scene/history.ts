/**
 * Millions of events within a minute: written into the event log by SQL, as the pipeline would have left them, with rollups to
 * match; `verify` finds no difference. What only ingestion reads is left out: the ledger of event ids, recipients' states,
 * receipts. Recipients' keys are not those of their addresses, so that none is found by its address.
 *
 * Campaigns go out in groups, 30 days apart, the newest group 30 days before the end; all campaigns are alike
 * (event-kinds.ts). As they are whole days apart, the program's own `rebuild` counts one of them, and its rollups are
 * copied to the others.
 */
import { createHash } from "node:crypto";
import type { Client } from "pg";
import { type CampaignId, uuidOfHex } from "../../src/ids.js";
import { copyRollups } from "./copied-rollups.js";
import { EVENT_KINDS, type EventKind, messagesOf } from "./event-kinds.js";
import type { DatabasePair, Scene } from "./scene.js";
import type { BenchTenant } from "./tenant.js";
import { withClient } from "./with-client.js";

export interface HistoryPlan {
  readonly groups: number;
  readonly campaignsPerGroup: number;
  readonly messagesPerCampaign: number;
  /** Where the newest group stands, counted backwards from the end; 0 where left out. */
  readonly firstGroup?: number;
  /** Midnight in UTC, later than all events. */
  readonly end: Date;
}

export interface HistoryCampaign {
  readonly id: CampaignId;
  readonly externalId: string;
  readonly sentAt: Date;
  /** Days before the plan's newest group. */
  readonly daysEarlier: number;
}

const DAY_MS = 86_400_000;
const GROUP_DAYS = 30;
const SEND_HOUR = 9;

/** Adds a history to a tenant in UTC and gives its campaigns, the newest first. */
export async function fillHistory(
  scene: Scene,
  databases: DatabasePair,
  tenant: Pick<BenchTenant, "id" | "slug">,
  plan: HistoryPlan,
): Promise<readonly HistoryCampaign[]> {
  const campaigns = campaignsOf(tenant, plan);
  const [template, ...others] = campaigns;
  if (template === undefined) throw new Error("A history has a campaign at least");
  const history = { tenantId: tenant.id, campaigns, messagesPerCampaign: plan.messagesPerCampaign };
  await fillingClient(databases.eventsUrl, async (client) => {
    await addIdentities(client, tenant.id, campaigns);
    await addRecipients(client, tenant.id, plan.messagesPerCampaign);
    await addLinks(client, tenant.id, campaigns);
    await addPartitions(client, campaigns);
  });
  await Promise.all(
    [...Map.groupBy(EVENT_KINDS, ({ table }) => table)].map(([table, kinds]) =>
      fillingClient(databases.eventsUrl, (client) => fillTable(client, table, kinds, history)),
    ),
  );
  await withClient(databases.eventsUrl, (client) => client.query("vacuum (analyze)"));
  await withClient(databases.metricsUrl, (client) => addCampaigns(client, tenant.id, campaigns));
  await scene.command(databases, ["rebuild", "--tenant", tenant.slug, "--campaign", template.externalId]);
  await withClient(databases.metricsUrl, async (client) => {
    await copyRollups(client, tenant.id, template.id, others);
    await client.query("vacuum (analyze)");
  });
  return campaigns;
}

/** The campaigns that a plan makes for a tenant, the newest first. */
export function campaignsOf({ slug }: Pick<BenchTenant, "slug">, plan: HistoryPlan): HistoryCampaign[] {
  const { groups, campaignsPerGroup, firstGroup = 0, end } = plan;
  return Array.from({ length: groups * campaignsPerGroup }, (_, place) => {
    const earlier = Math.floor(place / campaignsPerGroup);
    const externalId = `${slug}-${firstGroup + earlier}-${place % campaignsPerGroup}`;
    const days = GROUP_DAYS * (firstGroup + earlier + 1);
    return {
      id: uuidOfHex(createHash("sha256").update(externalId).digest("hex")) as CampaignId,
      externalId,
      sentAt: new Date(end.getTime() - days * DAY_MS + (SEND_HOUR * DAY_MS) / 24),
      daysEarlier: earlier * GROUP_DAYS,
    };
  });
}

async function addIdentities(client: Client, tenantId: string, campaigns: readonly HistoryCampaign[]): Promise<void> {
  await client.query(
    `insert into campaign_identities (tenant_id, campaign_id, external_id, created_at)
     select $1, id, external_id, sent_at
     from unnest($2::uuid[], $3::text[], $4::timestamptz[]) as campaign (id, external_id, sent_at)`,
    [tenantId, ...columnsOf(campaigns)],
  );
}

async function addCampaigns(client: Client, tenantId: string, campaigns: readonly HistoryCampaign[]): Promise<void> {
  await client.query(
    `insert into campaigns (tenant_id, id, external_id, name, first_sent_at, created_at, updated_at, identity_revision)
     select $1, id, external_id, 'Campaign ' || external_id, sent_at, sent_at, sent_at, 1
     from unnest($2::uuid[], $3::text[], $4::timestamptz[]) as campaign (id, external_id, sent_at)`,
    [tenantId, ...columnsOf(campaigns)],
  );
}

function columnsOf(campaigns: readonly HistoryCampaign[]): [string[], string[], Date[]] {
  return [
    campaigns.map(({ id }) => id),
    campaigns.map(({ externalId }) => externalId),
    campaigns.map(({ sentAt }) => sentAt),
  ];
}

/** A connection for large writes that nobody waits for. */
function fillingClient(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  return withClient(url, async (client) => {
    await client.query("set maintenance_work_mem = '512MB'; set work_mem = '256MB'; set synchronous_commit = off");
    await work(client);
  });
}

/** The key of the reader of a number. */
const keyOf = (reader: string) => `md5($1::text || ${reader})::uuid`;

async function addRecipients(client: Client, tenantId: string, count: number): Promise<void> {
  await client.query(
    `insert into recipients (tenant_id, recipient_key, address)
     select $1::uuid, ${keyOf("reader")}, 'reader-' || reader || '@example.org'
     from generate_series(0, $2 - 1) as reader
     on conflict do nothing`,
    [tenantId, count],
  );
}

async function addLinks(client: Client, tenantId: string, campaigns: readonly HistoryCampaign[]): Promise<void> {
  const [ids] = columnsOf(campaigns);
  await client.query(
    `insert into campaign_links (tenant_id, campaign_id, link_key, url)
     select $1::uuid, campaign_id, left(encode(sha256(convert_to(url, 'UTF8')), 'hex'), 32)::uuid, url
     from unnest($2::uuid[]) as campaign_id
     cross join (select 'https://example.org/' || number as url from generate_series(0, 6) as number) as link`,
    [tenantId, ids],
  );
}

async function addPartitions(client: Client, campaigns: readonly HistoryCampaign[]): Promise<void> {
  for (const sendTime of new Set(campaigns.map(({ sentAt }) => sentAt.getTime()))) {
    for (const moment of monthsOf(sendTime)) await client.query("select ensure_event_partitions($1)", [moment]);
  }
}

interface History {
  readonly tenantId: string;
  readonly campaigns: readonly HistoryCampaign[];
  readonly messagesPerCampaign: number;
}

/** Building an index over what is there takes a fraction of what keeping it up takes. */
async function fillTable(client: Client, table: string, kinds: readonly EventKind[], history: History): Promise<void> {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
     from pg_index where indrelid = $1::regclass`,
    [table],
  );
  for (const { name } of rows) await client.query(`drop index ${name}`);
  await addEvents(client, kinds, history);
  for (const { definition } of rows) await client.query(definition.replace(" ON ONLY ", " ON "));
}

/** Group by group, the oldest first, and by time: as they lie on the disk when they come in as they happen. */
async function addEvents(
  client: Client,
  kinds: readonly EventKind[],
  { tenantId, campaigns, messagesPerCampaign }: History,
): Promise<void> {
  const groups = [...Map.groupBy(campaigns, ({ daysEarlier }) => daysEarlier)].toReversed();
  for (const [, group] of groups) {
    const [ids, , sentAt] = columnsOf(group);
    const values = [tenantId, ids, sentAt, messagesPerCampaign];
    for (const kind of kinds) {
      const { table, details } = kind;
      const columns = ["tenant_id, id, event_id, campaign_id, recipient_key", "occurred_at, received_at, receipt_id"];
      const common = ["$1::uuid, gen_random_uuid(), 'bench-' || place, campaign_id", keyOf("place")];
      const call = ["at, at + interval '1 second'", "'00000000-0000-7000-8000-000000000000'::uuid"];
      await client.query(
        `insert into ${table} (${[...columns, ...Object.keys(details)].join(", ")})
         select ${[...common, ...call, ...Object.values(details)].join(", ")}
         from (${messagesOf(kind, "$2", "$3", "$4")}) as message
         order by at`,
        values,
      );
    }
  }
}

/** A moment in each month that a campaign's events lie in. */
function monthsOf(sendTime: number): Date[] {
  return [new Date(sendTime), new Date(sendTime + GROUP_DAYS * DAY_MS)];
}
