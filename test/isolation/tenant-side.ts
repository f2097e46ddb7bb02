/**
 * One of two tenants whose data mirror each other: the same external ids, addresses, event ids and idempotency keys in one
 * campaign, and another one in which every text says whose it is. Counts and amounts differ between the two.
 */
import { encodeGlobalId, type TenantId, typeOfGlobalId } from "../../src/ids.js";
import { accepted, poisoned, slipIn } from "../ingest/dead-letters/poison.js";
import type { Product } from "../support/product.js";
import { RECORD_EVENTS, type RecordedEvents } from "../support/record-events.js";
import { TEN_EVENTS } from "../support/ten-events.js";
import { waitFor } from "../support/wait-for.js";
import type { OwnValues } from "./schema-walk.js";

const RANGE = { from: "2026-11-01T00:00:00Z", to: "2026-11-04T00:00:00Z" } as const;

export interface Side {
  readonly marker: string;
  readonly tenantId: TenantId;
  readonly key: string;
  /** What no answer shows, and yet is the tenant's. */
  readonly hidden: readonly string[];
  readonly own: OwnValues & { learn(typename: string, id: string): void };
}

export interface Traits {
  /** In every text that is not mirrored. */
  readonly marker: string;
  /** More of everything than the other one has. */
  readonly times: number;
  readonly amount: string;
  readonly currency: string;
}

function marked({ marker, times, amount, currency }: Traits): Record<string, unknown>[] {
  const common = { campaignExternalId: `${marker}-campaign`, metadata: { [`${marker}-key`]: `${marker}-value` } };
  const carried: Readonly<Record<string, Record<string, unknown>>> = {
    SENT: { messageId: `<${marker}@mta>` },
    DELIVERED: { mailboxProvider: `${marker} mail` },
    DEFERRED: { diagnostic: `450 ${marker}` },
    BOUNCED: { statusCode: "5.1.1", diagnostic: `550 ${marker}` },
    OPENED: { client: `${marker} client`, device: `${marker} device`, country: "DE" },
    CLICKED: { url: `https://${marker}.example/give`, client: `${marker} client`, device: `${marker} device` },
    UNSUBSCRIBED: { method: `${marker} header` },
    COMPLAINED: { feedbackSource: `${marker} loop` },
    CONVERTED: { amount, currency, externalReference: `${marker}-order` },
    REJECTED: { reason: `${marker} suppressed` },
  };
  return Object.entries(carried).flatMap(([type, fields]) =>
    Array.from({ length: times }, (_, n) => n).flatMap((n) =>
      // And a year before, for what is compared to it.
      [2026, 2025].map((year) => ({
        ...common,
        ...fields,
        type,
        eventId: `${marker}-${type}-${n}-${year}`,
        recipient: `${marker}-${n}@example.com`,
        occurredAt: `${year}-11-02T0${n}:00:00Z`,
      })),
    ),
  );
}

async function record(product: Product, key: string, events: readonly unknown[], idempotencyKey: string) {
  const input = { events, idempotencyKey };
  const { data, errors } = await product.graphql<RecordedEvents>(key, RECORD_EVENTS, { input });
  if (errors !== undefined || data.recordEvents.refused.length > 0) throw new Error(JSON.stringify({ data, errors }));
  return data.recordEvents.receipt?.id ?? "";
}

/** A campaign in which every text says whose it is, with its events; gives its id. */
export async function recordMarked(
  product: Product,
  key: string,
  traits: Traits,
): Promise<{ readonly campaign: string; readonly receipt: string }> {
  const { marker } = traits;
  const receipt = await record(product, key, marked(traits), `${marker}-idempotency`);
  await product.settled(key);
  const campaign = await campaignOf(product, key, `${marker}-campaign`);
  await change(
    product,
    key,
    `updateCampaign(input: { id: "${campaign}", name: "${marker} name", subject: "${marker} subject", tags: ["${marker}-tag", "mirrored"] }) { userErrors { code } }`,
  );
  return { campaign, receipt };
}

async function campaignOf(product: Product, key: string, externalId: string): Promise<string> {
  const { data } = await product.graphql<{ campaign: { id: string } }>(
    key,
    `{ campaign(externalId: "${externalId}") { id } }`,
  );
  return data.campaign.id;
}

async function change(product: Product, key: string, mutation: string): Promise<Record<string, unknown>> {
  const { data, errors } = await product.graphql<Record<string, unknown>>(key, `mutation { ${mutation} }`);
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}

/** Ids by the type of what has them, to be learnt; and the range in which all happens. */
export function ownValues(): Side["own"] {
  const ids = new Map<string, string[]>();
  return {
    range: RANGE,
    learn: (typename, id) => {
      for (const name of new Set([typename, typeOfGlobalId(id)])) ids.set(name, [...(ids.get(name) ?? []), id]);
    },
    idFor: (place) => {
      const known = [...ids.keys()].toSorted((one, other) => other.length - one.length);
      const name = known.find((candidate) => place.toLowerCase().includes(candidate.toLowerCase())) ?? "Campaign";
      const [id] = ids.get(name) ?? [];
      if (id === undefined) throw new Error(`${place} needs an id of a type that tenant-side.ts makes no object of.`);
      return id;
    },
  };
}

export async function createSide(product: Product, traits: Traits): Promise<Side> {
  const { marker, times } = traits;
  const { tenantId, key } = await product.createTenant();
  const own = ownValues();
  own.learn("Tenant", encodeGlobalId("Tenant", tenantId));

  // The one with more of it has the mirrored call repeated with other addresses.
  const more = Array.from({ length: times - 1 }, (_, n) =>
    TEN_EVENTS.map((event) => ({
      ...event,
      eventId: `${String(event["eventId"])}-${n}`,
      recipient: `${n}${String(event["recipient"])}`,
    })),
  ).flat();
  own.learn("IngestReceipt", await record(product, key, [...TEN_EVENTS, ...more], "mirrored-key"));
  const { campaign: ownCampaign, receipt } = await recordMarked(product, key, traits);
  own.learn("IngestReceipt", receipt);
  const { events } = product.pools;
  own.learn(
    "IngestReceipt",
    encodeGlobalId("IngestReceipt", await slipIn(events, tenantId, [accepted("mirrored"), poisoned("mirrored")])),
  );
  for (let n = 0; n < times; n += 1) await slipIn(events, tenantId, [poisoned(`${marker}-letter-${n}`)]);
  await product.settled(key);

  own.learn("Campaign", ownCampaign);
  own.learn("Campaign", await campaignOf(product, key, "spring"));
  const made = await change(
    product,
    key,
    `createApiKey(input: { name: "${marker} key", scopes: [READ_METRICS] }) { secret apiKey { id prefix } }`,
  );
  const { secret, apiKey } = made["createApiKey"] as { secret: string; apiKey: { id: string } };
  own.learn("ApiKey", apiKey.id);
  const { data } = await product.graphql<{ events: { nodes: { __typename: string; id: string }[] } }>(
    key,
    `query ($range: DateTimeRange!) { events(first: 100, filter: { occurredAt: $range }) { nodes { __typename id } } }`,
    { range: RANGE },
  );
  for (const { __typename, id } of data.events.nodes) own.learn(__typename, id);
  const letters = await product.graphql<{ deadLetters: { nodes: { id: string }[] } }>(
    key,
    "{ deadLetters { nodes { id } } }",
  );
  for (const { id } of letters.data.deadLetters.nodes) own.learn("DeadLetter", id);
  const erased = await change(
    product,
    key,
    `eraseRecipient(input: { recipient: "${marker}-erased@example.com" }) { erasure { id } }`,
  );
  const { erasure } = erased["eraseRecipient"] as { erasure: { id: string } };
  own.learn("RecipientErasure", erasure.id);
  // The baseline is what is so when a worker is done.
  await waitFor(
    async () =>
      (
        await product.graphql<{ node: { completedAt: string | null } }>(
          key,
          "query ($id: ID!) { node(id: $id) { ... on RecipientErasure { completedAt } } }",
          { id: erasure.id },
        )
      ).data.node.completedAt,
    { what: "the erasure to be completed" },
  );
  const trail = await product.graphql<{ node: { auditTrail: { nodes: { id: string }[] } } }>(
    key,
    `query ($id: ID!) { node(id: $id) { ... on Campaign { auditTrail { nodes { id } } } } }`,
    { id: ownCampaign },
  );
  for (const { id } of trail.data.node.auditTrail.nodes) own.learn("AuditEntry", id);
  return { marker, tenantId, key, hidden: [`${marker}-idempotency`, secret, key, tenantId], own };
}
