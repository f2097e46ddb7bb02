/**
 * A small front end, typed by graphql-codegen from schema.graphql, compiled and run against a server: by Apollo Client and by
 * urql, with texts as a key may, and by id as a user may whom the server has locked to registered documents.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../acceptance/command-line.js";
import { type Product, startProduct } from "../support/product.js";
import { newSigningKey, sign, type SigningKey, startTestIssuer, type TestIssuer } from "../support/test-issuer.js";
import { type FrontEnd, openFrontEnd } from "./tool-scene.js";

const AUDIENCE = "https://mailtally.example";
const LIMIT_MS = 110_000;

let issuer: TestIssuer;
let signer: SigningKey;
let product: Product;
let frontEnd: FrontEnd;
let said: string;
beforeAll(async () => {
  issuer = await startTestIssuer();
  signer = await newSigningKey();
  issuer.publish(signer);
  const auth = { AUTH_ISSUER: issuer.issuer, AUTH_AUDIENCE: AUDIENCE };
  product = await startProduct({ env: { ...auth, TRUSTED_DOCUMENTS: "tokens" } });
  frontEnd = await openFrontEnd("codegen");
  said = await frontEnd.tool("@graphql-codegen/cli/esm/bin.js", "--config", "codegen.ts");
  said += await frontEnd.tool("@apollo/generate-persisted-query-manifest/cli.js");
  said += await frontEnd.compile();
}, LIMIT_MS);
afterAll(async () => {
  await frontEnd.close();
  await product.stop();
  await issuer.stop();
});

const register = (manifest: string) =>
  runCli(["documents", "register", `${frontEnd.folder}/${manifest}`], {
    DATA_DIR: frontEnd.folder,
    EVENTS_DATABASE_URL: product.databases.eventsUrl,
    METRICS_DATABASE_URL: product.databases.metricsUrl,
    MAILTALLY_SECRET: "a secret of the tests, long enough for it",
  });

const STORY = {
  acceptedCount: 20,
  refused: [{ index: 20, code: "INVALID", field: "occurredAt" }],
  hasReceipt: true,
  pages: [2, 4, 5],
  total: 5,
  userErrors: [],
  cached: [
    { name: "renamed", delivered: 1, openRate: "1.000" },
    { name: "campaign b", delivered: 2, openRate: "0.500" },
    { name: "campaign c", delivered: 3, openRate: "0.333" },
    { name: "campaign d", delivered: 4, openRate: "0.250" },
    { name: "campaign e", delivered: 5, openRate: "0.200" },
  ],
  askedForCached: 0,
};

test("the tools take the schema without a word of complaint", () => {
  expect(said).not.toMatch(/warn|error|fail|deprecat/i);
});

describe.each([
  ["Apollo Client", "apollo", "persisted-query-manifest.json"],
  ["urql", "urql", "gql/persisted-documents.json"],
])("%s", (_client, program, manifest) => {
  test(
    "records events, pages through campaigns and merges pages and changes in its cache",
    async () => {
      const { key } = await product.createTenant();
      const told = await frontEnd.run(`out/${program}.js`, product.url, key);
      expect(JSON.parse(told)).toEqual(STORY);
    },
    LIMIT_MS,
  );

  test(
    "does the same by ids, once its build's manifest is registered and not before",
    async () => {
      const { tenantId } = await product.createTenant();
      const scope = "READ_METRICS WRITE_EVENTS MANAGE_CAMPAIGNS";
      const exp = Math.floor(Date.now() / 1000) + 600;
      const token = await sign({ iss: issuer.issuer, aud: AUDIENCE, sub: "ada", exp, tenant: tenantId, scope }, signer);
      const run = () => frontEnd.run(`out/${program}.js`, product.url, token, "by-id");
      await expect(run()).rejects.toThrow(/PersistedQueryNotFound|A text was sent/);
      expect(await register(manifest)).toMatchObject({ code: 0, stdout: "4 registered, 0 known already\n" });
      // A second passes, at the most, until ids are looked for that were not there.
      await expect.poll(async () => JSON.parse(await run()) as unknown, { timeout: 60_000 }).toEqual(STORY);
      await expect(frontEnd.run(`out/${program}.js`, product.url, token)).rejects.toThrow(/only registered documents/i);
    },
    LIMIT_MS,
  );
});
