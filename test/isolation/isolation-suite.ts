/**
 * What every way to the databases has to hold: two tenants that mirror each other ask and attack, and whatever comes back is
 * told by three rules that know no field. An answer is what it was before the other tenant existed; it holds no text of the
 * other one; and what is the other one's answers like what there is not.
 */
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildPublicSchema } from "../../src/graphql/schema.js";
import { moveVersion } from "../support/cache-rig.js";
import type { Product } from "../support/product.js";
import { waitFor } from "../support/wait-for.js";
import { comparable, Harvest, leaksIn, shapeOf, type Told } from "./answers.js";
import { type Attack, attacksOn, variablesWith } from "./attacks.js";
import { type Probe, SchemaWalk } from "./schema-walk.js";
import { createSide, type Side } from "./tenant-side.js";

/** One connection is left for a request that reads, so that tenants follow each other on it. */
export const ONE_CONNECTION = {
  DATABASE_POOL_SIZE: "3",
  WORKER_CONCURRENCY: "1",
  STATEMENT_TIMEOUT_MS: "1500",
  // Each field of an interface is asked for under a name of its own.
  MAX_QUERY_TOKENS: "20000",
  MAX_QUERY_ALIASES: "10000",
  MAX_QUERY_NESTED_PAGES: "20",
} as const;

/** Cold, then known to be repeatable, then compiled and from what was kept, and once more. */
const TIMES = 4;

interface SuiteOptions {
  /** How often the same is asked: fewer where what is kept is not what is tried. */
  readonly times?: number;
  /** Which half of the attacks: two ways to the databases share them, unless more texts of each field are asked for. */
  readonly half: 0 | 1;
}

const OF_EACH_FIELD = Number(process.env["ISOLATION_TEXTS"] ?? 1);

interface Attacked extends Side {
  readonly harvest: Harvest;
  /** What it was answered before the other tenant was there, by probe. */
  readonly baseline: Map<Probe, string>;
  readonly queries: readonly Probe[];
  readonly walk: SchemaWalk;
}

export function isolationSuite(
  start: () => Promise<{ readonly product: Product; stop(): Promise<void> }>,
  { times = TIMES, half }: SuiteOptions,
): void {
  const schema = buildPublicSchema();
  let product: Product;
  let stop: () => Promise<void>;
  let mine: Attacked;
  let theirs: Attacked;

  async function ask(key: string, query: string, variables: unknown, signal: AbortSignal | null = null): Promise<Told> {
    const response = await fetch(`${product.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body: JSON.stringify({ query, variables }),
      signal,
    });
    return { status: response.status, body: await response.json() };
  }

  const documentOf = (probe: Probe, variables: Readonly<Record<string, unknown>>): string =>
    probe.document(new Set(Object.keys(variables)));
  const own = (side: Side, probe: Probe): Promise<Told> =>
    ask(side.key, documentOf(probe, probe.variables), probe.variables);

  async function prepare(traits: Parameters<typeof createSide>[1]): Promise<Attacked> {
    const side = await createSide(product, traits);
    const walk = new SchemaWalk(schema, side.own);
    const queries = walk.probes("query");
    const harvest = new Harvest(schema);
    const baseline = new Map<Probe, string>();
    for (const probe of queries) {
      const told = await own(side, probe);
      baseline.set(probe, comparable(told));
      harvest.take(told.body);
    }
    harvest.add("hidden", side.hidden);
    return { ...side, harvest, baseline, queries, walk };
  }

  /** The texts of one that the other one has not got as well. */
  const textsAlone = (of: Attacked, without: Attacked): { marker: string; texts: ReadonlySet<string> } => ({
    marker: of.marker,
    texts: new Set([...of.harvest.texts].filter((text) => !without.harvest.texts.has(text))),
  });

  async function expectOwnAnswer(side: Attacked, other: Attacked, probe: Probe): Promise<void> {
    const told = await own(side, probe);
    expect(leaksIn(told.body, textsAlone(other, side), ""), probe.place).toEqual([]);
    expect(comparable(told), probe.place).toBe(side.baseline.get(probe));
  }

  /** Both tenants' own questions, at the same time and again and again. */
  async function expectAllAsBefore(places?: RegExp): Promise<void> {
    for (const [at, probe] of mine.queries.entries()) {
      const other = theirs.queries[at];
      if (other === undefined || places?.test(probe.place) === false) continue;
      for (let time = 0; time < times; time += 1) {
        await Promise.all([expectOwnAnswer(mine, theirs, probe), expectOwnAnswer(theirs, mine, other)]);
      }
    }
  }

  const attacksOf = (probe: Probe): Attack[] =>
    attacksOn(probe, { theirs: theirs.harvest, mine: mine.harvest, marker: theirs.marker, ofEach: OF_EACH_FIELD });
  const variablesOf = (attack: Attack, value: unknown): Record<string, unknown>[] =>
    variablesWith(attack, value, mine.own);

  beforeAll(async () => {
    ({ product, stop } = await start());
    mine = await prepare({ marker: "alphaq7", times: 2, amount: "1117.25", currency: "EUR" });
    theirs = await prepare({ marker: "bravoz9", times: 3, amount: "2339.75", currency: "CHF" });
    mine.walk.probes("mutation");
  }, 120_000);
  afterAll(() => stop());

  test("each field and each place of an argument is in an operation, and both tenants have data to be taken", () => {
    expect([...mine.walk.everything()].filter((place) => !mine.walk.covered.has(place))).toEqual([]);
    for (const side of [mine, theirs]) {
      // By an argument that is a slot, and nothing else: two that exclude each other.
      const refused = side.queries.filter((probe) => side.baseline.get(probe)?.includes('"errors"'));
      expect(refused.map(({ place }) => place)).toEqual(["Query.campaign"]);
      const shown = [...side.harvest.texts].filter((text) => text.includes(side.marker));
      expect(shown.length).toBeGreaterThan(25);
      expect(textsAlone(side, side === mine ? theirs : mine).texts.size).toBeGreaterThan(100);
    }
  });

  test("a tenant's answers are those from before the other one existed, cold and warm, interleaved", async () => {
    await expectAllAsBefore();
    await moveVersion(product.pools.metrics, mine.tenantId);
    await moveVersion(product.pools.metrics, theirs.tenantId);
    await expectAllAsBefore();
  }, 120_000);

  test("whatever is the other's, presented anywhere in a query, shows nothing and answers like what there is not", async () => {
    const foreign = textsAlone(theirs, mine);
    let asked = 0;
    const attacks = mine.queries.flatMap(attacksOf);
    for (const attack of OF_EACH_FIELD > 1 ? attacks : attacks.filter((_, at) => at % 2 === half)) {
      const { probe, slot, value, twin } = attack;
      const twins = twin === null ? [] : variablesOf(attack, twin);
      for (const [at, variables] of variablesOf(attack, value).entries()) {
        const place = `${slot.place} given ${JSON.stringify(value).slice(0, 200)}`;
        const document = documentOf(probe, variables);
        // The owner asks the same, byte by byte, so that there is something to be given to the wrong one.
        await ask(theirs.key, document, variables);
        const answers = [await ask(mine.key, document, variables)];
        asked += 2;
        for (let time = 1; time < times - 1; time += 1) {
          const [, next] = await Promise.all([
            ask(theirs.key, document, variables),
            ask(mine.key, document, variables),
          ]);
          answers.push(next);
          asked += 2;
        }
        const given = `${JSON.stringify(variables)} ${String(value)}`;
        for (const told of answers) {
          expect(leaksIn(told.body, foreign, given), place).toEqual([]);
          expect(told.status, place).toBeLessThan(500);
          expect(comparable(told), place).toBe(comparable(answers[0] ?? told));
        }
        const missing = twins[at];
        if (missing === undefined) continue;
        const told = await ask(mine.key, documentOf(probe, missing), missing);
        expect(comparable(answers[0] ?? told), `${place}, and a missing one`).toBe(comparable(told));
      }
    }
    expect(asked).toBeGreaterThan(100 * times);
  }, 400_000);

  test("a statement that names no tenant finds the rows of the one that is set, in every table, and none where none is", async () => {
    let filled = 0;
    for (const url of [product.databases.eventsUrl, product.databases.metricsUrl]) {
      const client = new Client({ connectionString: url });
      await client.connect();
      const tables = await client.query<{ name: string; tenant: string }>(TABLES_OF_THE_API);
      for (const { name, tenant } of tables.rows) {
        const tenants = async (preamble: string): Promise<string[]> => {
          await client.query(preamble);
          const found = await client.query<{ tenant: string }>(`select distinct ${tenant} as tenant from ${name}`);
          await client.query("rollback");
          return found.rows.map((row) => row.tenant);
        };
        const all = await tenants("begin; set local role mailtally_worker");
        if (all.includes(mine.tenantId) && all.includes(theirs.tenantId)) filled += 1;
        const asTenant = `begin; set local role mailtally_api; select set_tenant('${mine.tenantId}')`;
        expect(await tenants(asTenant), name).toEqual(all.filter((id) => id === mine.tenantId));
        expect(await tenants("begin; set local role mailtally_api"), name).toEqual([]);
      }
      await client.end();
    }
    expect(filled).toBeGreaterThan(20);
  });

  test.each(["a lock that lasts past the limit of a statement", "a caller that goes away", "a connection that is cut"])(
    "after %s in the middle of the other's transaction, answers are as before",
    async (what) => {
      await moveVersion(product.pools.metrics, theirs.tenantId);
      const broken = theirs.queries.filter(({ place }) => /^(Query|Campaign|Viewer|Tenant)\./.test(place)).slice(0, 12);
      const clients = [product.databases.metricsUrl, product.databases.eventsUrl].map(
        (url) => new Client({ connectionString: url }),
      );
      for (const client of clients) await client.connect();
      const [metrics, events] = clients;
      try {
        await metrics?.query("begin; lock table campaigns, campaign_totals, api_keys in access exclusive mode");
        await events?.query(
          "begin; lock table recipients, receipts, campaign_identities, sent in access exclusive mode",
        );
        const gone = new AbortController();
        const failing = broken.map((probe) =>
          ask(theirs.key, documentOf(probe, probe.variables), probe.variables, gone.signal).catch(() => null),
        );
        await waitFor(async () => (await waitingStatements(metrics)) + (await waitingStatements(events)) > 0, {
          what: "a statement to wait for the lock",
        });
        if (what.includes("goes away")) gone.abort();
        if (what.includes("cut")) {
          for (const client of clients) {
            await client.query(
              `select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock' and pid <> pg_backend_pid()`,
            );
          }
        }
        const told = await Promise.all(failing);
        for (const answer of told) {
          expect(JSON.stringify(answer)).not.toContain(mine.marker);
        }
      } finally {
        for (const client of clients) await client.end();
      }
      // The keys are looked up anew where that has failed.
      await waitFor(async () => (await ask(mine.key, "{ campaigns { nodes { id } } }", {})).status === 200, {
        what: "an answer",
      });
      await waitFor(async () => (await ask(theirs.key, "{ campaigns { nodes { id } } }", {})).status === 200, {
        what: "an answer",
      });
      await moveVersion(product.pools.metrics, mine.tenantId);
      await expectAllAsBefore(/^(Query|Campaign|Viewer|Tenant)\./);
    },
    60_000,
  );

  // The last, since what I write holds what I was handed.
  test("a mutation given what is the other's changes nothing of the other, and answers as to what there is not", async () => {
    const foreign = textsAlone(theirs, mine);
    const probes = mine.walk.probes("mutation");
    expect(probes.length).toBeGreaterThan(8);
    const attacks = probes.flatMap(attacksOf);
    let given = foreign.marker;
    for (const attack of attacks) {
      const { probe, slot, value, twin } = attack;
      const [variables = {}] = variablesOf(attack, value);
      // What was written by an earlier one is read again by a later one.
      given += JSON.stringify(variables);
      const place = `${slot.place} given ${JSON.stringify(value).slice(0, 200)}`;
      const told = await ask(mine.key, documentOf(probe, variables), variables);
      expect(leaksIn(told.body, foreign, given), place).toEqual([]);
      expect(told.status, place).toBeLessThan(500);
      if (twin === null || slot.kind !== "ID") continue;
      const [missing = {}] = variablesOf(attack, twin);
      expect(shapeOf(told), `${place}, and a missing one`).toBe(
        shapeOf(await ask(mine.key, documentOf(probe, missing), missing)),
      );
    }
    await product.settled(mine.key);
    await moveVersion(product.pools.metrics, theirs.tenantId);
    for (const probe of theirs.queries)
      expect(comparable(await own(theirs, probe)), probe.place).toBe(theirs.baseline.get(probe));
  }, 120_000);
}

const TABLES_OF_THE_API = `
  select relation.oid::regclass::text as name,
    case relation.relname when 'tenants' then 'id' else 'tenant_id' end as tenant
  from pg_class as relation
  where relation.relkind in ('r', 'p') and relation.relnamespace = 'public'::regnamespace
    and has_table_privilege('mailtally_api', relation.oid, 'select')
    and has_table_privilege('mailtally_worker', relation.oid, 'select')
    and (relation.relname = 'tenants' or exists (
      select from pg_attribute where attrelid = relation.oid and attname = 'tenant_id' and not attisdropped))`;

async function waitingStatements(client: Client | undefined): Promise<number> {
  const found = await client?.query<{ waiting: string }>(
    "select count(*) as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  );
  return Number(found?.rows[0]?.waiting ?? 0);
}
