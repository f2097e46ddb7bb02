/**
 * The walls inside a tenant, and those around who comes with a token or asks by a document's id: principals that may see less
 * than others of the same tenant, asked every operation that the schema has (schema-walk.ts). Somebody who sees more asks the
 * same bytes first each time, so that there is something in every cache to be given to the wrong one.
 *
 * Held by the rules of isolation-suite.ts: an answer is what it was when it was first asked for, with nothing in any cache and
 * the hidden data not there yet; it holds no text of what is hidden; and what is hidden answers like what there is not.
 */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApiKey } from "../../src/access/api-keys.js";
import type { Scope } from "../../src/access/scope.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import type { DocumentId } from "../../src/documents/document-id.js";
import { registerDocuments } from "../../src/documents/trusted-documents.js";
import { buildPublicSchema } from "../../src/graphql/schema.js";
import type { TenantId } from "../../src/ids.js";
import { systemClock } from "../../src/runtime.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import { moveVersion } from "../support/cache-rig.js";
import { type Product, startProduct } from "../support/product.js";
import { RICH } from "../support/rich.js";
import { newSigningKey, sign, type SigningKey, startTestIssuer, type TestIssuer } from "../support/test-issuer.js";
import { testRedisUrl } from "../support/test-redis.js";
import { comparable, Harvest, leaksIn, type Told } from "./answers.js";
import { attacksOn, variablesWith } from "./attacks.js";
import { ONE_CONNECTION } from "./isolation-suite.js";
import { type Field, type Probe, SchemaWalk } from "./schema-walk.js";
import { createSide, ownValues, recordMarked, type Side } from "./tenant-side.js";

const AUDIENCE = "https://mailtally.example";
const READS = ["READ_METRICS", "READ_EVENTS"] as const;
const MOST = ["OPERATE", "MANAGE_KEYS", "MANAGE_CAMPAIGNS", "WRITE_EVENTS", ...READS] as const;
const VISIBLE = { marker: "alphaq7", times: 2, amount: "1117.25", currency: "EUR" } as const;
const HIDDEN = { marker: "hiddenx5", times: 3, amount: "2339.75", currency: "CHF" } as const;
// With as many events as the first, whose times are thus no text of what is hidden.
const OTHER = { marker: "bravoz9", times: 2, amount: "771.50", currency: "SEK" } as const;
/** From the third time on an answer is given from what was kept. */
const TIMES = 2;
const OF_EACH_FIELD = 1;

/** Somebody who asks, in one of the two forms. */
interface Asker {
  readonly name: string;
  readonly bearer: string;
  readonly byId: boolean;
  /** Is limited by its scopes alone. */
  readonly seesHidden: boolean;
  readonly tenantId: TenantId;
  /** What it asks, of its own tenant's ids. */
  readonly probes: readonly Probe[];
  /** What it was answered first, by probe. */
  readonly baseline: Map<Probe, string>;
}

const schema = buildPublicSchema();
let issuer: TestIssuer;
let signer: SigningKey;
let product: Product;
let side: Side;
let other: Side;
/** Who sees less of the tenant, or another one. */
let askers: readonly Asker[];
let limited: Asker;
/** Who sees what the limited key does not. */
let wider: readonly Asker[];
let reader: Asker;
let user: Asker;
let owner: Asker;
/** What the hidden campaign brought along. */
let hiddenTexts: ReadonlySet<string>;
let hidden: Harvest;
let visible: Harvest;
let visibleOwn: Side["own"];

const documentOf = (probe: Probe, variables: Readonly<Record<string, unknown>>): string =>
  probe.document(new Set(Object.keys(variables)));
const idOf = (document: string) => `sha256:${createHash("sha256").update(document).digest("hex")}` as DocumentId;

async function post(bearer: string, body: unknown): Promise<Told> {
  const response = await fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${bearer}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

function ask({ bearer, byId }: Asker, probe: Probe, variables = probe.variables): Promise<Told> {
  const document = documentOf(probe, variables);
  return post(bearer, { ...(byId ? { documentId: idOf(document) } : { query: document }), variables });
}

async function keyOf(tenantId: TenantId, scopes: readonly Scope[], campaignTags: readonly string[] | null = null) {
  const { secret } = await writeAsTenant(product.pools.metrics, tenantId, (session) =>
    createApiKey(session, tenantId, { name: "Test", scopes, expiresAt: null, campaignTags }, OPERATOR, systemClock()),
  );
  return secret;
}

function tokenOf(tenantId: TenantId, scopes: readonly Scope[]): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 3_600;
  const claims = { iss: issuer.issuer, aud: AUDIENCE, sub: "ada", exp, tenant: tenantId, scope: scopes.join(" ") };
  return sign(claims, signer);
}

async function trust(probes: readonly Probe[]): Promise<void> {
  const documents = probes.map((probe) => documentOf(probe, probe.variables));
  const given = documents.map((document) => ({ id: idOf(document), document }));
  await registerDocuments(product.pools.metrics, given, systemClock());
}

/** With all that is open to these scopes below each field; the field itself is asked for in any case. */
function probesFor(scopes: readonly Scope[], own: Side["own"]): readonly Probe[] {
  const isOpen = ({ description }: Field): boolean => {
    const needed = /Needs the scope ([A-Z_]+)\./.exec(description ?? "")?.[1];
    return needed === undefined || scopes.some((scope) => scope === needed);
  };
  return new SchemaWalk(schema, own, isOpen).probes("query");
}

async function takeBaselines(of: readonly Asker[]): Promise<void> {
  for (const each of of) for (const probe of each.probes) each.baseline.set(probe, comparable(await ask(each, probe)));
}

/** Everything that a principal sees of this side, by what it shows. */
async function harvestOf(asker: Asker): Promise<Harvest> {
  const harvest = new Harvest(schema);
  for (const probe of asker.probes) harvest.take((await ask(asker, probe)).body);
  return harvest;
}

/** The side's ids, but for events, which are those of the one campaign. */
async function ownOf(given: Side, campaign: string): Promise<Side["own"]> {
  const own = ownValues();
  own.learn("Campaign", campaign);
  const { data } = await product.graphql<{ campaign: { events: { nodes: { __typename: string; id: string }[] } } }>(
    given.key,
    `query ($id: ID!) { campaign(id: $id) { events(first: 100) { nodes { __typename id } } } }`,
    { id: campaign },
  );
  for (const { __typename, id } of data.campaign.events.nodes) own.learn(__typename, id);
  for (const name of ["Tenant", "IngestReceipt", "ApiKey", "DeadLetter", "AuditEntry"]) {
    own.learn(name, given.own.idFor(name));
  }
  return own;
}

beforeAll(async () => {
  issuer = await startTestIssuer();
  signer = await newSigningKey();
  issuer.publish(signer);
  const auth = { AUTH_ISSUER: issuer.issuer, AUTH_AUDIENCE: AUDIENCE, TRUSTED_DOCUMENTS: "tokens" };
  product = await startProduct({ env: { ...ONE_CONNECTION, ...RICH, ...auth, REDIS_URL: testRedisUrl() } });
  side = await createSide(product, VISIBLE);
  other = await createSide(product, OTHER);
  visibleOwn = await ownOf(side, side.own.idFor("Campaign"));
  const otherOwn = await ownOf(other, other.own.idFor("Campaign"));
  const probes = probesFor(READS, visibleOwn);
  const ofMetrics = probesFor(["READ_METRICS"], visibleOwn);
  const ofWrites = probesFor(["WRITE_EVENTS"], visibleOwn);

  const { tenantId } = side;
  const tags = [`${VISIBLE.marker}-tag`];
  const asker = (name: string, bearer: string, options: Partial<Asker> = {}): Asker => ({
    name,
    bearer,
    byId: false,
    seesHidden: false,
    tenantId,
    probes,
    baseline: new Map(),
    ...options,
  });
  const ofOther = { byId: true, tenantId: other.tenantId };
  const limitedSecret = await keyOf(tenantId, READS, tags);
  limited = asker("a key limited by a tag", limitedSecret);
  askers = [
    limited,
    asker("a key limited by a tag, by id", limitedSecret, { byId: true }),
    asker("a key limited by a tag, without events", await keyOf(tenantId, ["READ_METRICS"], tags), {
      probes: ofMetrics,
    }),
    asker("a user without events", await tokenOf(tenantId, ["READ_METRICS"]), {
      byId: true,
      seesHidden: true,
      probes: ofMetrics,
    }),
    asker("a key that only writes", await keyOf(tenantId, ["WRITE_EVENTS"]), { probes: ofWrites }),
    asker("a user who only writes", await tokenOf(tenantId, ["WRITE_EVENTS"]), { byId: true, probes: ofWrites }),
    asker("another tenant's user", await tokenOf(other.tenantId, READS), {
      ...ofOther,
      probes: probesFor(READS, otherOwn),
    }),
    asker("another tenant's user with more scopes", await tokenOf(other.tenantId, MOST), {
      ...ofOther,
      probes: probesFor(MOST, otherOwn),
    }),
  ];
  await trust([...new Set(askers.flatMap((each) => each.probes))]);
  // Before anybody who sees more has asked anything: in no cache is there an answer that they could be given wrongly.
  await takeBaselines(askers);
  visible = await harvestOf(limited);
  owner = asker("a key with all scopes", side.key);
  const before = await harvestOf(owner);

  const { campaign } = await recordMarked(product, side.key, HIDDEN);
  const hiddenProbes = new SchemaWalk(schema, await ownOf(side, campaign)).probes("query");
  hidden = await harvestOf({ ...owner, probes: hiddenProbes });
  hiddenTexts = new Set([...hidden.texts].filter((text) => !before.texts.has(text) && !visible.texts.has(text)));
  // What they see has come to be more; it is taken anew before those who see yet more ask.
  await takeBaselines(askers.filter(({ seesHidden }) => seesHidden));

  const readerSecret = await keyOf(tenantId, READS);
  reader = asker("a key with the same scopes and no limit", readerSecret);
  user = asker("a user with the same scopes and no limit", await tokenOf(tenantId, READS), { byId: true });
  wider = [
    reader,
    user,
    asker("a key with the same scopes and no limit, by id", readerSecret, { byId: true }),
    asker("a key with another limit", await keyOf(tenantId, READS, [`${HIDDEN.marker}-tag`])),
  ];
}, 240_000);
afterAll(async () => {
  await product.stop();
  await issuer.stop();
});

/** Each asks after those who see more have asked the same bytes, often enough for the answers to be kept, and beside them. */
async function expectAllAsBefore(places = /./): Promise<void> {
  for (const probes of new Set(askers.map((asker) => asker.probes))) {
    const here = askers.filter((asker) => asker.probes === probes);
    for (const probe of probes.filter(({ place }) => places.test(place))) {
      for (let time = 0; time < TIMES; time += 1) await Promise.all(wider.map((each) => ask(each, probe)));
      for (let time = 0; time < TIMES; time += 1) {
        const [told] = await Promise.all([
          Promise.all(here.map((each) => ask(each, probe))),
          ask(reader, probe),
          ask(user, probe),
        ]);
        for (const [at, each] of here.entries()) {
          const place = `${probe.place} asked by ${each.name}`;
          const answer = told[at] ?? { status: 0, body: null };
          expect(comparable(answer), place).toBe(each.baseline.get(probe));
          const leaks = each.seesHidden ? [] : leaksIn(answer.body, foreignTexts(), "");
          expect(leaks, place).toEqual([]);
        }
      }
    }
  }
}

const foreignTexts = () => ({ marker: HIDDEN.marker, texts: hiddenTexts });

test("what is hidden is there to be taken, and who is limited sees what there was before", () => {
  expect(hiddenTexts.size).toBeGreaterThan(60);
  expect([...hiddenTexts].filter((text) => text.includes(HIDDEN.marker)).length).toBeGreaterThan(20);
  expect([...visible.texts].filter((text) => text.includes(VISIBLE.marker)).length).toBeGreaterThan(15);
  const answered = [...limited.baseline.values()].filter((told) => !told.includes('"errors"'));
  expect(answered.length).toBeGreaterThan(10);
});

test("who sees less is answered as before there was more to see, cold and warm, after and beside those who see it", async () => {
  await expectAllAsBefore();
  await moveVersion(product.pools.metrics, side.tenantId);
  await moveVersion(product.pools.metrics, other.tenantId);
  await expectAllAsBefore(/^Query\./);
}, 300_000);

test("whatever is hidden, presented anywhere by a limited key, shows nothing and answers like what there is not", async () => {
  let asked = 0;
  const booty = { theirs: hidden, mine: visible, marker: HIDDEN.marker, ofEach: OF_EACH_FIELD };
  for (const attack of limited.probes.flatMap((probe) => attacksOn(probe, booty))) {
    const { probe, slot, value, twin } = attack;
    const twins = twin === null ? [] : variablesWith(attack, twin, visibleOwn);
    for (const [at, variables] of variablesWith(attack, value, visibleOwn).entries()) {
      const place = `${slot.place} given ${JSON.stringify(value).slice(0, 200)}`;
      // Often enough for the answer to be kept; then at the same time, and alone.
      await ask(reader, probe, variables);
      const [, first] = await Promise.all([ask(reader, probe, variables), ask(limited, probe, variables)]);
      const answers = [first, await ask(limited, probe, variables)];
      asked += 4;
      const given = `${JSON.stringify(variables)} ${String(value)}`;
      for (const told of answers) {
        expect(leaksIn(told.body, foreignTexts(), given), place).toEqual([]);
        expect(told.status, place).toBeLessThan(500);
        expect(comparable(told), place).toBe(comparable(first));
      }
      const missing = twins[at];
      if (missing === undefined) continue;
      const told = await ask(limited, probe, missing);
      expect(comparable(first), `${place}, and a missing one`).toBe(comparable(told));
    }
  }
  expect(asked).toBeGreaterThan(300);
}, 300_000);

test("a limited key is refused every mutation, whatever of its own it names", async () => {
  const probes = new SchemaWalk(schema, visibleOwn).probes("mutation");
  expect(probes.length).toBeGreaterThan(8);
  for (const probe of probes) {
    const { status, body } = await ask(limited, probe);
    expect({ status, body }, probe.place).toMatchObject({
      status: 403,
      body: { errors: [{ extensions: { code: "FORBIDDEN" } }] },
    });
  }
});

describe("a user who comes with a token", () => {
  test("is answered by id as a key with the same scopes is by text, cold and kept", async () => {
    for (const probe of reader.probes) {
      for (let time = 0; time < TIMES; time += 1) {
        const [one, two] = await Promise.all([ask(user, probe), ask(reader, probe)]);
        expect(comparable(one), probe.place).toBe(comparable(two));
      }
    }
  });

  test("is given no answer for a text, though it is registered and kept for a key with the same authority", async () => {
    for (const probe of reader.probes) {
      await ask(reader, probe);
      const { status, body } = await ask({ ...user, byId: false }, probe);
      expect({ status, body }, probe.place).toMatchObject({
        status: 403,
        body: { errors: [{ extensions: { code: "DOCUMENT_NOT_TRUSTED" } }] },
      });
      expect(body, probe.place).not.toHaveProperty("data");
    }
  });
});
