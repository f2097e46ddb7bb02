import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildPublicSchema } from "../../src/graphql/schema.js";
import { encodeGlobalId, type TenantId, uuidv7 } from "../../src/ids.js";
import { type Answer, type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";

let product: Product;
let tenantId: TenantId;
let key: string;
beforeAll(async () => {
  product = await startProduct();
  ({ tenantId, key } = await product.createTenant());
});
afterAll(() => product.stop());

interface Campaign {
  readonly id: string;
  readonly externalId: string | null;
  readonly name: string;
  readonly subject: string | null;
  readonly tags: readonly string[];
  readonly sentAt: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly archivedAt: string | null;
}
interface Payload {
  readonly campaign: Campaign | null;
  readonly userErrors: readonly { code: string; field: readonly string[] | null; message: string }[];
}

const CAMPAIGN = "{ id externalId name subject tags sentAt createdAt updatedAt archivedAt }";
const PAYLOAD = `{ campaign ${CAMPAIGN} userErrors { code field message } }`;
const NOBODYS = encodeGlobalId("Campaign", uuidv7());

async function change(name: string, type: string, variables: Record<string, unknown>): Promise<Payload> {
  const [argument] = Object.keys(variables);
  const query = `mutation ($${argument}: ${type}) { payload: ${name}(${argument}: $${argument}) ${PAYLOAD} }`;
  const { data, errors } = await product.graphql<{ payload: Payload }>(key, query, variables);
  expect(errors).toBeUndefined();
  return data.payload;
}

const create = (input: Record<string, unknown>) => change("createCampaign", "CreateCampaignInput!", { input });
const update = (input: Record<string, unknown>) => change("updateCampaign", "UpdateCampaignInput!", { input });
const archive = (id: string) => change("archiveCampaign", "ID!", { id });
const restore = (id: string) => change("restoreCampaign", "ID!", { id });

async function created(input: Record<string, unknown>): Promise<Campaign> {
  const { campaign, userErrors } = await create(input);
  expect(userErrors).toEqual([]);
  return campaign as Campaign;
}

async function listed(args = ""): Promise<Campaign[]> {
  const answer: Answer<{ campaigns: { nodes: Campaign[] } }> = await product.graphql(
    key,
    `{ campaigns(first: 100${args}) { nodes ${CAMPAIGN} } }`,
  );
  return answer.data.campaigns.nodes;
}

const sent = (externalId: string, recipient: string) => ({
  type: "SENT",
  campaignExternalId: externalId,
  recipient,
  occurredAt: "2026-11-01T10:00:00Z",
});

async function sentIn(id: string): Promise<number> {
  await product.settled(key);
  const { data } = await product.graphql<{ campaign: { metrics: { sent: { total: number } } } }>(
    key,
    "query ($id: ID!) { campaign(id: $id) { metrics { sent { total } } } }",
    { id },
  );
  return data.campaign.metrics.sent.total;
}

describe("createCampaign", () => {
  test("keeps what it is given", async () => {
    const given = {
      externalId: "full",
      name: "Full",
      subject: "Hello",
      tags: ["b", "a"],
      sentAt: "2026-11-01T10:00:00.000001Z",
    };
    expect(await created(given)).toEqual({
      ...given,
      id: expect.any(String),
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
      archivedAt: null,
    });
  });

  test("needs a name and nothing else", async () => {
    expect(await created({ name: "Bare" })).toMatchObject({ externalId: null, subject: null, tags: [], sentAt: null });
  });

  test.each([
    [{ name: " " }, "name"],
    [{ name: "x".repeat(256) }, "name"],
    [{ name: "n", externalId: "" }, "externalId"],
    [{ name: "n", externalId: "x".repeat(256) }, "externalId"],
    [{ name: "n", subject: "x".repeat(999) }, "subject"],
    [{ name: "n", tags: Array(51).fill("t") }, "tags"],
    [{ name: "n", tags: ["x".repeat(101)] }, "tags"],
    [{ name: "n\u0000" }, "name"],
  ])("names the field at fault and makes nothing: %j", async (input, field) => {
    const before = (await listed()).length;
    expect(await create(input)).toEqual({
      campaign: null,
      userErrors: [{ code: "BAD_INPUT", field: ["input", field], message: expect.any(String) }],
    });
    expect(await listed()).toHaveLength(before);
  });
});

describe("updateCampaign", () => {
  test("changes what is given and leaves the rest", async () => {
    const campaign = await created({ name: "Before", subject: "s", tags: ["t"], sentAt: "2026-11-01T10:00:00Z" });
    const { id } = campaign;
    const renamed = (await update({ id, name: "After" })).campaign as Campaign;
    expect(renamed).toEqual({ ...campaign, name: "After", updatedAt: expect.any(String) });
    expect(Date.parse(renamed.updatedAt)).toBeGreaterThanOrEqual(Date.parse(campaign.updatedAt));
    expect(renamed.updatedAt).not.toBe(campaign.updatedAt);
    expect((await update({ id, subject: null, tags: [], sentAt: null, externalId: "named" })).campaign).toEqual({
      ...renamed,
      subject: null,
      tags: [],
      sentAt: null,
      externalId: "named",
      updatedAt: expect.any(String),
    });
  });

  test("names the field at fault and changes nothing", async () => {
    const campaign = await created({ name: "Kept", externalId: "kept" });
    await created({ name: "Other", externalId: "other" });
    const faults: [Record<string, unknown>, string, string][] = [
      [{ name: null }, "BAD_INPUT", "name"],
      [{ name: "New", subject: "" }, "BAD_INPUT", "subject"],
      [{ name: "New", externalId: "other" }, "CONFLICT", "externalId"],
    ];
    for (const [input, code, field] of faults) {
      expect((await update({ id: campaign.id, ...input })).userErrors).toMatchObject([
        { code, field: ["input", field] },
      ]);
    }
    expect((await listed()).find(({ id }) => id === campaign.id)).toEqual(campaign);
  });

  test("events do not touch updatedAt", async () => {
    const campaign = await created({ name: "Quiet", externalId: "quiet" });
    await recordEvents(product, key, [sent("quiet", "a@example.com")]);
    await product.settled(key);
    const found = (await listed()).find(({ id }) => id === campaign.id);
    expect(found).toEqual({ ...campaign, sentAt: "2026-11-01T10:00:00.000Z" });
  });
});

test.each([NOBODYS, "nonsense", ""])("a campaign that there is not is told by its id: %j", async (id) => {
  const missing = (field: string[]) => ({
    campaign: null,
    userErrors: [{ code: "NOT_FOUND", field, message: expect.any(String) }],
  });
  expect(await update({ id, name: "n" })).toEqual(missing(["input", "id"]));
  expect(await update({ id, externalId: "n" })).toEqual(missing(["input", "id"]));
  expect(await archive(id)).toEqual(missing(["id"]));
  expect(await restore(id)).toEqual(missing(["id"]));
});

describe("an external id", () => {
  test("is unique among the campaigns that are not archived", async () => {
    const first = await created({ name: "First", externalId: "name" });
    expect((await create({ name: "Second", externalId: "name" })).userErrors).toMatchObject([
      { code: "CONFLICT", field: ["input", "externalId"] },
    ]);
    await archive(first.id);
    const second = await created({ name: "Second", externalId: "name" });
    expect(second.id).not.toBe(first.id);
    expect((await restore(first.id)).userErrors).toMatchObject([{ code: "CONFLICT", field: ["id"] }]);
    await archive(second.id);
    expect((await restore(first.id)).campaign).toMatchObject({ id: first.id, archivedAt: null });
  });

  test("of an archived campaign still takes events, as long as no live one has it", async () => {
    const old = await created({ name: "Old", externalId: "late" });
    await recordEvents(product, key, [sent("late", "a@example.com")]);
    await archive(old.id);
    await recordEvents(product, key, [sent("late", "b@example.com")]);
    expect(await sentIn(old.id)).toBe(2);
    const heir = await created({ name: "New", externalId: "late" });
    await recordEvents(product, key, [sent("late", "c@example.com")]);
    expect(await sentIn(old.id)).toBe(2);
    expect(await sentIn(heir.id)).toBe(1);
    const found = () => product.graphql<{ campaign: { id: string } }>(key, `{ campaign(externalId: "late") { id } }`);
    expect((await found()).data.campaign.id).toBe(heir.id);
    await archive(heir.id);
    expect((await found()).data.campaign.id).toBe(heir.id);
    await restore(old.id);
    expect((await found()).data.campaign.id).toBe(old.id);
    await recordEvents(product, key, [sent("late", "d@example.com")]);
    expect(await sentIn(old.id)).toBe(3);
  });
});

describe("racing for an external id", () => {
  const conflicts = (payloads: readonly Payload[]) =>
    payloads.filter(({ userErrors }) => userErrors[0]?.code === "CONFLICT").length;
  const live = async (externalId: string) =>
    (await listed(`, filter: { externalIds: ["${externalId}"] }`)).map(({ id }) => id);

  test("eight new campaigns: one has it, the others are told", async () => {
    const payloads = await Promise.all(
      Array.from({ length: 8 }, (_, index) => create({ name: `Racer ${index}`, externalId: "race" })),
    );
    expect(conflicts(payloads)).toBe(7);
    expect(await live("race")).toEqual(payloads.flatMap(({ campaign }) => campaign?.id ?? []));
  });

  test("campaigns that are renamed to it: one gets it, the others keep their names and are told", async () => {
    const ids = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => (await created({ name: "n", externalId: `own-${index}` })).id),
    );
    const payloads = await Promise.all(ids.map((id) => update({ id, externalId: "wanted", name: "Winner" })));
    expect(conflicts(payloads)).toBe(4);
    expect(await live("wanted")).toHaveLength(1);
    expect((await listed()).filter(({ name }) => name === "Winner")).toHaveLength(1);
  });

  test("a restored campaign, a new one and an event: one is live, and takes the event", async () => {
    for (let round = 0; round < 5; round++) {
      const externalId = `back-${round}`;
      const old = await created({ name: "Old", externalId });
      await archive(old.id);
      const [restored, made] = await Promise.all([
        restore(old.id),
        create({ name: "New", externalId }),
        recordEvents(product, key, [sent(externalId, "a@example.com")]),
      ]);
      expect(conflicts([restored, made])).toBe(1);
      const winner = restored.campaign ?? made.campaign;
      expect(await live(externalId)).toEqual([winner?.id]);
      expect((await sentIn(old.id)) + (winner?.id === old.id ? 0 : await sentIn(winner?.id ?? ""))).toBe(1);
    }
  });
});

test("no mutation deletes a campaign", () => {
  const mutations = Object.keys(buildPublicSchema().getMutationType()?.getFields() ?? {});
  expect(mutations).toContain("archiveCampaign");
  expect(mutations.filter((name) => /campaign/i.test(name)).toSorted()).toEqual([
    "archiveCampaign",
    "createCampaign",
    "restoreCampaign",
    "updateCampaign",
  ]);
  expect(mutations.filter((name) => /delete|remove|purge/i.test(name))).toEqual([]);
});

test("archiving and restoring again changes nothing", async () => {
  const { id } = await created({ name: "Twice" });
  const archived = (await archive(id)).campaign;
  expect(archived?.archivedAt).toMatch(/Z$/);
  expect((await archive(id)).campaign).toMatchObject({ archivedAt: archived?.archivedAt });
  expect((await restore(id)).campaign?.archivedAt).toBeNull();
  expect((await restore(id)).campaign?.archivedAt).toBeNull();
});

test("the next query after each mutation shows it, though lists are cached", async () => {
  for (let round = 0; round < 10; round++) {
    const name = `Round ${round}`;
    await listed();
    const { id } = await created({ name });
    expect((await listed()).map((campaign) => campaign.name)).toContain(name);
    await update({ id, name: `${name}, renamed` });
    expect((await listed()).map((campaign) => campaign.name)).toContain(`${name}, renamed`);
    await archive(id);
    expect((await listed()).map((campaign) => campaign.id)).not.toContain(id);
    expect((await listed(", filter: { includeArchived: true }")).map((campaign) => campaign.id)).toContain(id);
    await restore(id);
    expect((await listed()).map((campaign) => campaign.id)).toContain(id);
  }
});

test("a key that manages campaigns alone sees the campaign it made, and not its metrics", async () => {
  const manager = await product.createKey(tenantId, ["MANAGE_CAMPAIGNS"]);
  const make = (name: string, fields: string) =>
    product.graphql<{ createCampaign: { campaign: { id: string } | null } }>(
      manager,
      `mutation { createCampaign(input: { name: "${name}" }) { campaign { ${fields} } userErrors { code } } }`,
    );
  const shown = await make("Shown", "id name");
  expect(shown.data).toEqual({
    createCampaign: { campaign: { id: expect.any(String), name: "Shown" }, userErrors: [] },
  });
  const refused = await make("Counted", "id metrics { sent { total } }");
  expect(refused.data).toEqual({ createCampaign: { campaign: null, userErrors: [] } });
  expect(refused.errors?.map(({ path, extensions }) => [path, extensions["code"]])).toEqual([
    [["createCampaign", "campaign", "metrics"], "FORBIDDEN"],
  ]);
});

test.each([`id: "x", externalId: "x"`, "", "id: null", "id: null, externalId: null"])(
  "campaign(%s) is refused: exactly one of id and externalId is needed",
  async (args) => {
    const { errors } = await product.graphql(key, `{ campaign${args === "" ? "" : `(${args})`} { id } }`);
    expect(errors?.map((error) => error.extensions["code"])).toEqual(["BAD_INPUT"]);
  },
);
