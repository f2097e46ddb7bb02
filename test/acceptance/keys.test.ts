/** The commands on keys, as processes of their own, beside a server that runs. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createTenant } from "../../src/tenancy/tenants.js";
import { systemClock } from "../../src/runtime.js";
import { createGuardedFolder, type GuardedFolder } from "../support/guarded-folder.js";
import { type Product, startProduct } from "../support/product.js";
import { waitFor } from "../support/wait-for.js";
import { killStarted, runCli } from "./command-line.js";

const LIMIT_MS = 60_000;
const SECRET = /^mt_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}\n$/;

let folder: GuardedFolder;
let product: Product;
beforeAll(async () => {
  folder = await createGuardedFolder("none");
  product = await startProduct();
  for (const slug of ["acme", "other"]) {
    await createTenant(product.pools.metrics, { slug, timeZone: "UTC" }, systemClock());
  }
});
afterEach(killStarted);
afterAll(async () => {
  await product.stop();
  await folder.remove();
});

const keys = (...args: readonly string[]) =>
  runCli(["keys", ...args], {
    DATA_DIR: folder.path,
    EVENTS_DATABASE_URL: product.databases.eventsUrl,
    METRICS_DATABASE_URL: product.databases.metricsUrl,
    MAILTALLY_SECRET: "a secret of the tests, long enough for it",
    MAX_KEY_OVERLAP_SECONDS: "600",
  });
const create = async (...args: readonly string[]): Promise<string> => {
  const { stdout } = await keys("create", "--tenant", "acme", ...args);
  expect(stdout).toMatch(SECRET);
  return stdout.trim();
};
const isLetIn = async (secret: string): Promise<boolean> =>
  (await product.graphql(secret, "{ viewer { scopes } }")).status === 200;
const prefixOf = (secret: string): string => secret.slice(3, 11);

test(
  "a key made with tags sees campaigns with any of them and nothing of the others, and only reads",
  async () => {
    const manager = await create("--scopes", "ALL");
    for (const [name, tags] of [
      ["one", ["partner"]],
      ["two", ["fall 2026"]],
      ["three", ["else"]],
    ] as const) {
      const input = { name, tags };
      await product.graphql(
        manager,
        "mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id } } }",
        {
          input,
        },
      );
    }
    const limited = await create("--scopes", "READ_METRICS", "--tags", "partner, fall 2026");
    const { data } = await product.graphql(
      limited,
      "{ campaigns(orderBy: { field: NAME, direction: ASC }) { nodes { name } } }",
    );
    expect(data).toEqual({ campaigns: { nodes: [{ name: "one" }, { name: "two" }] } });
    expect(await keys("create", "--tenant", "acme", "--scopes", "ALL", "--tags", "partner")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/limited to campaigns can only read/),
    });
    expect(await keys("create", "--tenant", "acme", "--scopes", "READ_METRICS", "--tags", " ")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/1 to 50 tags/),
    });
    const listed = JSON.parse((await keys("list", "--tenant", "acme", "--json")).stdout) as Record<string, unknown>[];
    expect(listed[0]).toMatchObject({
      prefix: prefixOf(limited),
      campaignTags: ["fall 2026", "partner"],
      revokedAt: null,
    });
    expect(JSON.stringify(listed)).not.toContain(limited);
  },
  LIMIT_MS,
);

test(
  "a rotated key has another secret; the old one works for the overlap, and without one for no more than a second",
  async () => {
    const first = await create("--scopes", "READ_METRICS", "--name", "Rotated");
    const rotate = (key: string, ...args: readonly string[]) => keys("rotate", key, "--tenant", "acme", ...args);
    const second = (await rotate(prefixOf(first), "--overlap-seconds", "600")).stdout.trim();
    expect(`${second}\n`).toMatch(SECRET);
    expect([await isLetIn(first), await isLetIn(second)]).toEqual([true, true]);
    const table = (await keys("list", "--tenant", "acme")).stdout;
    expect(table).toMatch(
      new RegExp(`^${prefixOf(second)} +Rotated +READ_METRICS .*beside ${prefixOf(first)} until `, "m"),
    );

    const third = (await rotate(prefixOf(second))).stdout.trim();
    await waitFor(async () => !(await isLetIn(first)) && !(await isLetIn(second)), {
      what: "the older secrets to end",
    });
    expect(await isLetIn(third)).toBe(true);

    expect(await rotate(prefixOf(third), "--overlap-seconds", "601")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/0 to 600 seconds/),
    });
    expect(await isLetIn(third)).toBe(true);
  },
  LIMIT_MS,
);

test(
  "a key is found by what its old secret begins with while that works, and no longer",
  async () => {
    const leaked = await create("--scopes", "READ_METRICS");
    const rotate = (...args: readonly string[]) => keys("rotate", prefixOf(leaked), "--tenant", "acme", ...args);
    const second = (await rotate("--overlap-seconds", "600")).stdout.trim();
    const third = (await rotate()).stdout.trim();
    expect(await rotate()).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/There is no key/) });
    await waitFor(async () => !(await isLetIn(leaked)) && !(await isLetIn(second)), {
      what: "the older secrets to end",
    });

    await keys("rotate", prefixOf(third), "--tenant", "acme", "--overlap-seconds", "600");
    expect(await keys("revoke", prefixOf(third), "--tenant", "acme")).toMatchObject({ code: 0 });
    await waitFor(async () => !(await isLetIn(third)), { what: "the key to be refused" });
  },
  LIMIT_MS,
);

test(
  "a key is revoked by its id, and another tenant's is not found",
  async () => {
    const secret = await create("--scopes", "READ_METRICS", "--name", "Revoked");
    const listed = JSON.parse((await keys("list", "--tenant", "acme", "--json")).stdout) as {
      id: string;
      name: string;
    }[];
    const id = listed.find(({ name }) => name === "Revoked")?.id ?? "";
    for (const command of ["rotate", "revoke"]) {
      for (const key of [id, prefixOf(secret)]) {
        expect(await keys(command, key, "--tenant", "other")).toMatchObject({
          code: 1,
          stdout: "",
          stderr: expect.stringMatching(/There is no key/),
        });
      }
    }
    expect(await isLetIn(secret)).toBe(true);
    expect(await keys("revoke", id, "--tenant", "acme")).toMatchObject({ code: 0, stdout: `${id}\n` });
    await waitFor(async () => !(await isLetIn(secret)), { what: "the key to be refused" });
    expect(await keys("rotate", id, "--tenant", "acme")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/revoked/),
    });
    const manager = await create("--scopes", "MANAGE_KEYS");
    const { data } = await product.graphql(
      manager,
      `query ($id: ID!) { node(id: $id) { ... on ApiKey { auditTrail(first: 1) { nodes { action actor { kind } } } } } }`,
      { id },
    );
    expect(data).toEqual({
      node: { auditTrail: { nodes: [{ action: "API_KEY_REVOKED", actor: { kind: "OPERATOR" } }] } },
    });
  },
  LIMIT_MS,
);
