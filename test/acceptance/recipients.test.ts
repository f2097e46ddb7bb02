/** `recipients` at the command line, beside a running product. */
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { everythingStored, tablesWith } from "../privacy/everything-stored.js";
import { eventsOf, tracesOf } from "../privacy/person.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { killStarted, runCli } from "./command-line.js";

const LIMIT_MS = 60_000;
const ANN = "ann@example.org";

let product: Product;
let env: Record<string, string>;
let slug: string;

beforeAll(async () => {
  product = await startProduct();
  const { key } = await product.createTenant();
  const events = [...eventsOf("ann"), ...eventsOf("ann", "autumn"), ...eventsOf("bob")];
  // More than a page of them.
  const opened = events.find(({ type }) => type === "OPENED");
  const many = Array.from({ length: 150 }, (_, n) => ({ ...opened, eventId: `ann@example.org-opened-${n}` }));
  await recordEvents(product, key, [...events, ...many] as never);
  await product.settled(key);
  slug = await slugOf(product, key);
  env = environmentOf(product);
});
afterEach(killStarted);
afterAll(() => product.stop());

async function slugOf({ graphql }: Product, key: string): Promise<string> {
  const { data } = await graphql<{ viewer: { tenant: { slug: string } } }>(key, "{ viewer { tenant { slug } } }");
  return data.viewer.tenant.slug;
}

function environmentOf({ databases, runtime }: Product): Record<string, string> {
  return {
    EVENTS_DATABASE_URL: databases.eventsUrl,
    METRICS_DATABASE_URL: databases.metricsUrl,
    MAILTALLY_SECRET: runtime.config.secret ?? "",
  };
}

const command = (name: string, ...args: string[]) => runCli(["recipients", name, "--tenant", slug, ...args], env);
const linesOf = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test(
  "an export is NDJSON of all that is held, an erasure leaves nothing of it and every number",
  async () => {
    const before = await command("export", "--recipient", ANN);
    expect(before).toMatchObject({ code: 0, stderr: "" });
    const lines = linesOf(before.stdout);
    expect(lines[0]).toMatchObject({ kind: "recipient", address: ANN, erasure: null });
    expect(lines.filter(({ kind }) => kind === "campaign")).toHaveLength(2);
    const events = lines.filter(({ kind }) => kind === "event");
    expect(events).toHaveLength(26 + 150);
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length);

    const erased = await command("erase", "--recipient", ANN);
    expect(erased).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(erased.stdout)).toEqual({
      requestedAt: expect.stringMatching(/Z$/),
      completedAt: expect.stringMatching(/Z$/),
      erasedEvents: 26 + 150,
    });
    expect(tablesWith(await everythingStored(product.databases), ...tracesOf("ann"))).toEqual([]);
    const after = linesOf((await command("export", "--recipient", ANN)).stdout);
    expect(after).toEqual([{ kind: "recipient", recipientKey: null, address: null, erasure: expect.anything() }]);
    expect(await runCli(["verify", "--tenant", slug], env)).toMatchObject({ code: 0, stdout: "" });
  },
  LIMIT_MS,
);

test(
  "an erasure waits for its own person alone, whatever is wrong with another tenant's",
  async () => {
    // Without a worker, which would now and then be at the other one just then.
    const alone = await startProduct({ worker: false });
    const client = new Client({ connectionString: alone.databases.eventsUrl });
    try {
      const { tenantId: other } = await alone.createTenant();
      const { key } = await alone.createTenant();
      await client.connect();
      await client.query("set role mailtally_worker");
      // No campaign is called so: whoever comes to the link fails.
      const links = JSON.stringify([{ campaignId: "none", linkKey: "none", url: "" }]);
      await client.query(
        `insert into erasures (tenant_id, recipient_key, number, requested_at, links)
         values ($1, gen_random_uuid(), 1, now() - interval '1 day', $2)`,
        [other, links],
      );
      const erased = await runCli(
        ["recipients", "erase", "--tenant", await slugOf(alone, key), "--recipient", ANN],
        environmentOf(alone),
      );
      expect(erased).toMatchObject({ code: 0, stderr: "" });
      expect(JSON.parse(erased.stdout)).toMatchObject({ completedAt: expect.stringMatching(/Z$/) });
    } finally {
      await client.end();
      await alone.stop();
    }
  },
  LIMIT_MS,
);

test(
  "addresses are deleted where none are to be stored, and only where that was said twice",
  async () => {
    expect(await command("forget-addresses", "--yes")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("STORE_ADDRESSES"),
    });
    const off = { ...env, STORE_ADDRESSES: "off" };
    const args = ["recipients", "forget-addresses", "--tenant", slug];
    expect(await runCli(args, off)).toMatchObject({ code: 1, stderr: expect.stringContaining("--yes") });
    const stored = async () =>
      (await everythingStored(product.databases)).filter(({ table }) => table === "recipients");
    expect(tablesWith(await stored(), "bob@example.org")).toEqual(["recipients"]);
    expect(await runCli([...args, "--yes"], off)).toMatchObject({ code: 0, stdout: "1 addresses deleted.\n" });
    expect(tablesWith(await stored(), "bob@example.org")).toEqual([]);
    // Whoever was erased stays so.
    expect(await stored()).toHaveLength(1);
    const [bob] = linesOf((await command("export", "--recipient", "bob@example.org")).stdout);
    expect(bob).toMatchObject({ address: null, erasure: null });
  },
  LIMIT_MS,
);

test(
  "a recipient or a tenant that cannot be is told in one line",
  async () => {
    expect(await command("erase", "--recipient", " ")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("1 to 2000"),
    });
    expect(await runCli(["recipients", "export", "--tenant", "nobody", "--recipient", ANN], env)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("tenants create nobody"),
    });
  },
  LIMIT_MS,
);
