/** The commands, as processes of their own, beside a server that runs. */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createGuardedFolder, type GuardedFolder } from "../support/guarded-folder.js";
import { type Product, startProduct } from "../support/product.js";
import { killStarted, runCli } from "./command-line.js";

const LIMIT_MS = 60_000;

let folder: GuardedFolder;
let product: Product;
let key: string;
beforeAll(async () => {
  folder = await createGuardedFolder("none");
  product = await startProduct();
  ({ key } = await product.createTenant());
});
afterEach(killStarted);
afterAll(async () => {
  await product.stop();
  await folder.remove();
});

const idOf = (document: string) => `sha256:${createHash("sha256").update(document).digest("hex")}`;

const documents = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runCli(["documents", ...args], {
    DATA_DIR: folder.path,
    EVENTS_DATABASE_URL: product.databases.eventsUrl,
    METRICS_DATABASE_URL: product.databases.metricsUrl,
    MAILTALLY_SECRET: "a secret of the tests, long enough for it",
    ...env,
  });

let manifests = 0;
async function register(manifest: unknown, env: Readonly<Record<string, string>> = {}) {
  const file = path.join(folder.path, `manifest-${++manifests}.json`);
  await writeFile(file, typeof manifest === "string" ? manifest : JSON.stringify(manifest));
  return documents(["register", file], env);
}

async function askById(documentId: string) {
  const response = await fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ documentId }),
  });
  return (await response.json()) as { data?: unknown; errors?: { extensions: { code: string } }[] };
}

async function registered(): Promise<string[]> {
  const { stdout } = await documents(["list", "--json"]);
  return (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id).toSorted();
}

const VIEWER = "query Viewer { viewer { scopes } }";
const TENANT = "query Tenant { viewer { tenant { slug } } }";

test(
  "a manifest is registered beside the running server, again without harm, listed, asked for, and removed",
  async () => {
    const manifest = { relay: VIEWER, [idOf(TENANT)]: TENANT };
    expect(await register(manifest)).toEqual({ code: 0, stdout: "2 registered, 0 known already\n", stderr: "" });
    expect(await register({ ...manifest, again: VIEWER })).toMatchObject({
      code: 0,
      stdout: "0 registered, 2 known already\n",
    });
    for (const id of ["relay", "again", idOf(VIEWER), idOf(TENANT)])
      expect(await askById(id)).toHaveProperty("data.viewer");

    expect(await registered()).toEqual(["again", "relay", idOf(TENANT), idOf(VIEWER)].toSorted());
    const table = await documents(["list"]);
    expect(table.stdout).toMatch(/^Registered +Id +Operations\n/);
    expect(table.stdout).toMatch(new RegExp(`Z +${idOf(VIEWER)} +query Viewer\n`));

    const removed = await documents(["remove", "relay"]);
    expect(removed).toMatchObject({ code: 0, stderr: "" });
    expect(removed.stdout.trim().split("\n").toSorted()).toEqual(["again", "relay", idOf(VIEWER)].toSorted());
    expect(await registered()).toEqual([idOf(TENANT)]);
    expect(await documents(["remove", "relay"])).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/relay/),
    });
  },
  LIMIT_MS,
);

test(
  "a manifest with bad documents registers nothing, and each of them is told by its id with what is wrong",
  async () => {
    const before = await registered();
    const good = "query Good { viewer { scopes } }";
    const { code, stdout, stderr } = await register(
      {
        good,
        unparsed: "query {",
        unknown: "{ viewer { scopes password } }",
        fragment: "fragment F on Viewer { scopes }",
        subscription: "subscription { viewer { scopes } }",
        [`${"0".repeat(64)}`]: VIEWER,
        "md5:abc": VIEWER,
        nul: '{ campaign(externalId: "\u0000") { id } }',
        several: "{ a b c d }",
        deep: "{ campaigns { nodes { metrics { sent { unique } } } } }",
      },
      { MAX_QUERY_DEPTH: "4" },
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^Nothing was registered: 9 of 10 are bad\.\n/);
    for (const line of [
      /^unparsed: 1:8 Syntax Error/m,
      /^unknown: 1:19 Cannot query field "password"/m,
      /^fragment: It holds no operation\.$/m,
      /^subscription: The schema has no subscription\.$/m,
      /^0{64}: It is not the SHA-256 of its document\.$/m,
      /^md5:abc: It is no id of a document/m,
      /^nul: It holds a NUL character\.$/m,
      /^several: and 1 more$/m,
      /^deep: 1:1 The query nests 5 fields deep; at most 4 may\.$/m,
    ]) {
      expect(stderr).toMatch(line);
    }
    expect(stderr).not.toMatch(/^good:/m);
    expect(await registered()).toEqual(before);
    expect(await askById(idOf(good))).toMatchObject({
      errors: [{ extensions: { code: "PERSISTED_QUERY_NOT_FOUND" } }],
    });
  },
  LIMIT_MS,
);

test(
  "an id keeps its document, and a file that is no manifest is told in a line",
  async () => {
    await register({ kept: VIEWER });
    expect(await register({ kept: TENANT })).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/kept.*keeps its document/),
    });
    expect(await register("[]")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/neither Apollo's/),
    });
    expect(await documents(["register", "/nowhere.json"])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/\/nowhere\.json/),
    });
  },
  LIMIT_MS,
);
