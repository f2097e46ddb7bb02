import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApiKey } from "../../src/access/api-keys.js";
import { type AuditActor, OPERATOR } from "../../src/audit/audit-entry.js";
import { type AuditRow, readAuditPages } from "../../src/audit/read-audit.js";
import { recordAudit } from "../../src/audit/record-audit.js";
import { CampaignStore } from "../../src/campaigns/campaign-store.js";
import { Pool, type Preamble, type Session } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { type CampaignId, type TenantId, uuidv7 } from "../../src/ids.js";
import { Projector } from "../../src/rollups/projector.js";
import { writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { type Pipeline, startPipeline } from "../support/pipeline.js";
import { waitFor } from "../support/wait-for.js";

let pipeline: Pipeline;
let store: CampaignStore;
let tenantId: TenantId;
let actor: AuditActor;
const now = () => instantFromMillis(Date.now());
beforeAll(async () => {
  // Projectors run when a test says so.
  pipeline = await startPipeline({ workers: 0, projectors: 0 });
  const { events, metrics, campaigns: identities } = pipeline;
  store = new CampaignStore({ events, metrics, identities, now });
  tenantId = await pipeline.createTenant();
  const { apiKey } = await writeAsTenant(metrics, tenantId, (session) =>
    createApiKey(session, tenantId, { name: "Editor", scopes: ["MANAGE_CAMPAIGNS"], expiresAt: null }, OPERATOR, now()),
  );
  actor = { kind: "API_KEY", keyId: apiKey.id };
});
afterAll(() => pipeline.stop());

const startProjector = () => {
  const { events, metrics } = pipeline;
  return new Projector({ events, metrics, pollMs: 1, now, log: pino({ level: "silent" }) });
};

/** Applies all that waits. */
async function project(): Promise<void> {
  const projector = startProjector();
  await pipeline.settled();
  await projector.stop();
}

async function trailOf(id: string): Promise<AuditRow[]> {
  const pages = await writeAsTenant(pipeline.metrics, tenantId, (session) =>
    readAuditPages(session, tenantId, [id], { limit: 100, take: "FIRST" }),
  );
  return pages.get(id) ?? [];
}

const actionsOf = async (id: string) => (await trailOf(id)).map(({ action }) => action);

const deliverAgain = defineStatement<"events", [], never>(
  "events",
  "test.deliver_again",
  `insert into outbox (id, tenant_id, lane, format, event_count, received_at, payload)
   select gen_random_uuid(), tenant_id, lane, format, event_count, received_at, payload from outbox`,
);
const readOutbox = defineStatement<"events", [], { payload: unknown }>(
  "events",
  "test.read_outbox",
  "select payload from outbox order by id",
);

const insertAsBefore = defineStatement<"metrics", [TenantId, subjectId: string], never>(
  "metrics",
  "test.insert_as_before",
  `insert into audit_entries (tenant_id, id, occurred_at, subject, subject_id, action, actor, after)
   values ($1, gen_random_uuid(), now(), 'CAMPAIGN', $2, 'CAMPAIGN_UPDATED', 'USER', '{}')`,
);

const isAnyoneWaiting = defineStatement<"metrics", [], { waiting: boolean }>(
  "metrics",
  "test.is_anyone_waiting",
  `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as waiting`,
);

/** Comes back from a transaction that has committed when something else has happened. */
class SlowToReturn extends Pool<"events"> {
  readonly #happened: () => Promise<boolean>;

  constructor(url: string, happened: () => Promise<boolean>) {
    const log = pino({ level: "silent" });
    super({ database: "events", url, maxConnections: 2, waitTimeoutMs: 10_000, preparedStatements: true, log });
    this.#happened = happened;
  }

  override async transaction<T>(preamble: Preamble, work: (session: Session<"events">) => Promise<T>): Promise<T> {
    const result = await super.transaction(preamble, work);
    await waitFor(this.#happened, { what: "the projector to meet the mutation", deadlineMs: 10_000 });
    return result;
  }
}

describe("a change is kept once", () => {
  test("though its message comes after the mutation wrote it, and once more under another id", async () => {
    const id = await store.create(tenantId, { name: "Spring", externalId: "spring" }, actor);
    await store.update(tenantId, id, { externalId: "summer", name: "Summer" }, actor);
    await store.archive(tenantId, id, actor);
    const written = await trailOf(id);
    expect(written.map(({ action }) => action)).toEqual(["CAMPAIGN_ARCHIVED", "CAMPAIGN_UPDATED", "CAMPAIGN_CREATED"]);
    await writeAsWorker(pipeline.events, (session) => session.run(deliverAgain()));
    const messages = await writeAsWorker(pipeline.events, (session) => session.run(readOutbox()));
    expect(messages).toHaveLength(6);
    await project();
    expect(await trailOf(id)).toEqual(written);
    expect(written[1]).toMatchObject({
      before: { externalId: "spring", name: "Spring" },
      after: { externalId: "summer", name: "Summer" },
    });
  });

  test("with who did it, though the mutation ended before the metrics database heard of it", async () => {
    const { events, campaigns } = pipeline;
    const made = await writeAsTenant(events, tenantId, (session) =>
      campaigns.mint(session, tenantId, "cut-off", { name: "Cut off" }, actor),
    );
    const id = made?.campaign.id as CampaignId;
    await writeAsTenant(events, tenantId, (session) =>
      campaigns.change(session, tenantId, id, (current, at) => ({ ...current, archivedAt: at }), {
        action: "CAMPAIGN_ARCHIVED",
        actor,
      }),
    );
    expect(await trailOf(id)).toEqual([]);
    await project();
    expect(await trailOf(id)).toMatchObject([
      { action: "CAMPAIGN_ARCHIVED", actor: "API_KEY", actorKeyName: "Editor" },
      { action: "CAMPAIGN_CREATED", actor: "API_KEY", actorKeyName: "Editor", before: null },
    ]);
  });

  test("under a user's name and issuer, though the projector alone heard of it", async () => {
    const { events, campaigns } = pipeline;
    const user: AuditActor = { kind: "USER", issuer: "https://login.example", subject: "ada" };
    const made = await writeAsTenant(events, tenantId, (session) =>
      campaigns.mint(session, tenantId, "by-a-user", { name: "By a user" }, user),
    );
    await project();
    expect(await trailOf(made?.campaign.id ?? "")).toMatchObject([
      { actor: "USER", actorSubject: "ada", actorIssuer: "https://login.example", actorKeyId: null },
    ]);
  });

  test("without a user's name by a projector of the release before, which goes on with what comes after", async () => {
    const id = uuidv7();
    await writeAsWorker(pipeline.metrics, (session) => session.run(insertAsBefore(tenantId, id)));
    expect(await trailOf(id)).toMatchObject([{ actor: "USER", actorSubject: null, actorIssuer: null }]);
  });

  test("whole, though the projector gets hold of the message in the middle of the mutation", async () => {
    const id = await store.create(tenantId, { name: "Old", externalId: "old" }, actor);
    await project();
    const projector = startProjector();
    const { databases, metrics, campaigns: identities } = pipeline;
    const events = new SlowToReturn(databases.eventsUrl, async () => {
      // As the login: the other roles are not shown who waits.
      const [row] = await metrics.transaction("begin" as Preamble, (session) => session.run(isAnyoneWaiting()));
      const left = await writeAsWorker(pipeline.events, (session) => session.run(readOutbox()));
      return row?.waiting === true || left.length === 0;
    });
    const slow = new CampaignStore({ events, metrics, identities, now });
    await slow.update(tenantId, id, { externalId: "new", name: "New" }, actor);
    await pipeline.settled();
    await Promise.all([projector.stop(), events.stop()]);
    expect((await trailOf(id)).slice(0, -1)).toMatchObject([
      { before: { externalId: "old", name: "Old" }, after: { externalId: "new", name: "New" } },
    ]);
  });

  test("in an unbroken chain, though many change the same at once", async () => {
    const id = await store.create(tenantId, { name: "none" }, actor);
    await Promise.all(
      Array.from({ length: 8 }, (_, index) => store.update(tenantId, id, { name: `n${index}` }, actor)),
    );
    const changes = (await trailOf(id)).slice(0, -1).toReversed();
    expect(changes).toHaveLength(8);
    const chain = new Map(changes.map(({ before, after }) => [before?.["name"], after["name"]]));
    let name: unknown = "none";
    for (let step = 0; step < 8; step++) name = chain.get(name as string);
    expect(name).toMatch(/^n\d$/);
  });

  test("for each of many campaigns that one call's events named", async () => {
    const names = Array.from({ length: 500 }, (_, index) => `bulk-${index}`);
    const made = await pipeline.campaigns.resolve(tenantId, names);
    await project();
    const ids = [...made.values()];
    const pages = await writeAsTenant(pipeline.metrics, tenantId, (session) =>
      readAuditPages(session, tenantId, ids, { limit: 5, take: "FIRST" }),
    );
    expect(ids).toHaveLength(500);
    for (const rows of pages.values()) expect(rows).toMatchObject([{ action: "CAMPAIGN_CREATED", actor: "SYSTEM" }]);
  });
});

test("a change of a campaign that the metrics database has not heard of is kept, and its making after it", async () => {
  const made = await pipeline.campaigns.resolve(tenantId, ["unheard"]);
  const id = made.get("unheard") as CampaignId;
  await store.update(tenantId, id, { name: "Heard" }, actor);
  expect(await actionsOf(id)).toEqual(["CAMPAIGN_UPDATED"]);
  await project();
  expect(await actionsOf(id)).toEqual(["CAMPAIGN_UPDATED", "CAMPAIGN_CREATED"]);
});

test("an entry is there with its change or not at all", async () => {
  const failing = writeAsTenant(pipeline.metrics, tenantId, async (session) => {
    await createApiKey(session, tenantId, { name: "n", scopes: ["READ_METRICS"], expiresAt: null }, actor, now());
    throw new Error("after the entry was written");
  });
  await expect(failing).rejects.toThrow("after the entry was written");
  const counts = await writeAsWorker(pipeline.metrics, (session) => session.run(countByActor(tenantId)));
  expect(counts).toEqual([]);
});
const countByActor = defineStatement<"metrics", [TenantId], { id: string }>(
  "metrics",
  "test.keys_made_by_keys",
  "select id from audit_entries where tenant_id = $1 and subject = 'API_KEY' and actor = 'API_KEY'",
);

describe.each(["mailtally_api", "mailtally_worker"])("%s", (role) => {
  const as = (text: string) =>
    pipeline.metrics.transaction(
      `begin; set local role ${role}; select set_tenant('${tenantId}')` as Preamble,
      (session) => session.run({ database: "metrics", name: "test.forbidden", text, values: [], isPrepared: false }),
    );

  test.each([
    "update audit_entries set after = null",
    "delete from audit_entries",
    "truncate audit_entries",
    "delete from campaigns",
    "truncate campaigns",
  ])("may not %s", async (text) => {
    await expect(as(text)).rejects.toMatchObject({ code: "42501" });
  });
});

test("a tenant's transaction writes and reads no other tenant's entries", async () => {
  const other = await pipeline.createTenant();
  const id = await store.create(tenantId, { name: "Mine" }, actor);
  const pages = await writeAsTenant(pipeline.metrics, other, (session) =>
    readAuditPages(session, tenantId, [id], { limit: 5, take: "FIRST" }),
  );
  expect(pages.get(id)).toEqual([]);
  const [entry] = await trailOf(id);
  const forged = {
    id: entry?.id as NonNullable<typeof entry>["id"],
    tenantId,
    occurredAt: now(),
    actor: OPERATOR,
    action: "CAMPAIGN_UPDATED" as const,
    subjectId: id,
    before: {},
    after: {},
  };
  await expect(
    writeAsTenant(pipeline.metrics, other, (session) => recordAudit(session, [forged])),
  ).rejects.toMatchObject({ code: "42501" });
});
