import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { encodeGlobalId, type ReceiptId, type TenantId } from "../../src/ids.js";
import { listDeadLetters } from "../../src/ingest/dead-letters/dead-letters-of-all.js";
import { findReceipt } from "../../src/ingest/receipts.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { accepted, poisoned, slipIn } from "../ingest/dead-letters/poison.js";
import { type Product, startProduct } from "../support/product.js";
import { killStarted, runCli } from "./command-line.js";

const LIMIT_MS = 110_000;
const SLUG = "acme";

let product: Product;
let env: Record<string, string>;
let tenantId: TenantId;
let key: string;
let receiptId: ReceiptId;

beforeAll(async () => {
  product = await startProduct();
  const { config, urls } = product.runtime;
  env = {
    DATA_DIR: config.dataDir,
    EVENTS_DATABASE_URL: urls.events,
    METRICS_DATABASE_URL: urls.metrics,
    MAILTALLY_SECRET: config.secret ?? "",
  };
}, LIMIT_MS);
afterEach(killStarted);
afterAll(() => product.stop());

const command = (...args: string[]) => runCli(args, env);
const letters = () =>
  writeAsWorker(product.pools.events, (session) =>
    listDeadLetters(session, { tenantId, receiptId: null, ids: null }, 100),
  );

test(
  "keys create knows the scope OPERATE",
  async () => {
    expect(await command("tenants", "create", SLUG)).toMatchObject({ code: 0 });
    key = (
      await command("keys", "create", "--tenant", SLUG, "--scopes", "OPERATE,READ_METRICS,WRITE_EVENTS")
    ).stdout.trim();
    const { data } = await product.graphql<{ viewer: { scopes: string[]; tenant: { id: string } } }>(
      key,
      "{ viewer { scopes tenant { id } } }",
    );
    expect(data.viewer.scopes).toEqual(["READ_METRICS", "WRITE_EVENTS", "OPERATE"]);
    tenantId = (Buffer.from(data.viewer.tenant.id, "base64url").toString().split(":")[1] ?? "") as TenantId;
  },
  LIMIT_MS,
);

test(
  "where there is none, list says so",
  async () => {
    expect(await command("dead-letters", "list")).toEqual({
      code: 0,
      stdout: "",
      stderr: "There are no dead letters.\n",
    });
    expect(await command("dead-letters", "list", "--json")).toEqual({ code: 0, stdout: "[]\n", stderr: "" });
  },
  LIMIT_MS,
);

test(
  "list and show tell what is known of a letter, a line each and without control characters",
  async () => {
    const hostile = accepted("two\u001b[2J\nlines", { campaignId: "no id" });
    receiptId = await slipIn(product.pools.events, tenantId, [hostile, accepted("good"), poisoned("bad")]);
    await product.settled(key);
    const table = await command("dead-letters", "list", "--tenant", SLUG);
    const [heading, ...lines] = table.stdout.trimEnd().split("\n");
    expect(heading).toMatch(/^ID +TENANT +DIED AT +TYPE +CAMPAIGN +EVENT ID +TRIES +REASON +ERROR$/);
    expect(lines).toHaveLength(2);
    for (const { id } of await letters()) expect(table.stdout).toContain(id);
    expect(lines.join("\n")).toMatch(/acme .* SENT +\? +two \[2J lines +3 +INVALID_VALUE +.*uuid/);
    expect(await command("dead-letters", "list", "--limit", "1")).toMatchObject({
      stderr: expect.stringMatching(/more than 1/),
    });

    const [newest] = await letters();
    const json = JSON.parse(
      (await command("dead-letters", "list", "--receipt", receiptId, "--json")).stdout,
    ) as object[];
    expect(json).toHaveLength(2);
    expect(json[0]).toMatchObject({
      id: newest?.id,
      receiptId,
      tenant: SLUG,
      lane: "LIVE",
      attempts: 3,
      sqlState: "22P02",
      error: expect.stringContaining("uuid"),
    });
    expect(JSON.stringify(json)).not.toContain("@example.com");

    // By GraphQL's id as well.
    const shown = await command("dead-letters", "show", encodeGlobalId("DeadLetter", newest?.id ?? ""));
    expect(shown.stdout).toMatch(/^error: +.*uuid/m);
    expect(shown.stdout).toMatch(/^event: +.*@example\.com/m);
    const whole = await command("dead-letters", "show", newest?.id ?? "", "--json");
    expect(JSON.parse(whole.stdout)).toMatchObject({ id: newest?.id, event: { campaignId: "no id" } });
  },
  LIMIT_MS,
);

test.each([
  ["an id that is none", ["show", "x"], /"x" is not the id of a dead letter/],
  ["a letter that is not there", ["show", "01900000-0000-7000-8000-000000000000"], /no dead letter 01900000/],
  ["one of several that is not there", ["replay", "01900000-0000-7000-8000-000000000000"], /no dead letter 01900000/],
  ["no ids", ["discard"], /ids of dead letters, or --all/],
  ["ids and --all", ["replay", "01900000-0000-7000-8000-000000000000", "--all"], /not both/],
  ["a tenant that does not exist", ["list", "--tenant", "nobody"], /tenants create nobody/],
  ["--all without --yes", ["discard", "--all"], /events of 2 dead letters for good.*--yes/],
])(
  "%s is told in one line, with exit status 1, and nothing changes",
  async (_what, args, message) => {
    const { code, stdout, stderr } = await command("dead-letters", ...args);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(await letters()).toHaveLength(2);
  },
  LIMIT_MS,
);

test(
  "replay tries letters again and discard gives them up, and the receipt says so",
  async () => {
    const ids = new Set((await letters()).map(({ id }) => id));
    const replayed = await command("dead-letters", "replay", "--all", "--tenant", SLUG);
    expect(replayed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^2 dead letters replayed/), stderr: "" });
    await product.settled(key);
    // They are still at fault: letters again, of new ids.
    const again = (await letters()).map(({ id }) => id);
    expect(again).toHaveLength(2);
    expect(again.filter((id) => ids.has(id))).toEqual([]);
    const one = await command("dead-letters", "discard", again[0] ?? "", "--json");
    expect(one).toEqual({ code: 0, stdout: '{"discarded":1}\n', stderr: "" });
    expect(await command("dead-letters", "discard", "--all", "--yes")).toEqual({
      code: 0,
      stdout: "1 dead letter discarded.\n",
      stderr: "",
    });
    expect(await letters()).toEqual([]);
    const receipt = await writeAsWorker(product.pools.events, (session) => findReceipt(session, tenantId, receiptId));
    expect(receipt).toMatchObject({ status: "DEAD", reason: "DISCARDED", recordedCount: 1 });
  },
  LIMIT_MS,
);
