/**
 * Relay: its compiler takes the schema with a connection, a page and an object to be asked for anew, its runtime merges them, and
 * the documents that the compiler persisted are all that the server answers.
 */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../acceptance/command-line.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { type FrontEnd, openFrontEnd } from "./tool-scene.js";

const LIMIT_MS = 110_000;

let product: Product;
let frontEnd: FrontEnd;
let key: string;
beforeAll(async () => {
  product = await startProduct();
  ({ key } = await product.createTenant());
  const events = ["a", "b", "c", "d", "e"].map((name) => ({
    type: "SENT",
    campaignExternalId: `campaign ${name}`,
    recipient: "ann@example.com",
    occurredAt: "2026-11-01T10:00:00Z",
  }));
  await recordEvents(product, key, events);
  await product.settled(key);
  frontEnd = await openFrontEnd("relay");
}, LIMIT_MS);
afterAll(async () => {
  await frontEnd.close();
  await product.stop();
});

// In this order: what has any other id is known by its SHA-256 as well.
test.each(["SHA256", "MD5"])(
  "what relay-compiler persisted with %s is registered, and pages, nodes and changes come by its ids",
  async (algorithm) => {
    const config = JSON.parse(await frontEnd.read("relay.config.json")) as Record<string, unknown>;
    const persistConfig = { file: "./persisted.json", algorithm };
    await frontEnd.write("relay.config.json", JSON.stringify({ ...config, persistConfig }));
    await frontEnd.write("persisted.json", "{}");
    // What is there and has not changed is not written again, whatever its ids.
    const artifacts = path.join(frontEnd.folder, "artifacts");
    await rm(artifacts, { recursive: true, force: true });
    await mkdir(artifacts);
    const said = await frontEnd.tool("relay-compiler/cli.js", "relay.config.json");
    expect(said).toMatch(/Done/);
    expect(said).not.toMatch(/warn|error/i);

    await expect(frontEnd.run("run.cjs", product.url, key)).rejects.toThrow("PERSISTED_QUERY_NOT_FOUND");
    const registered = await runCli(["documents", "register", path.join(frontEnd.folder, "persisted.json")], {
      DATA_DIR: frontEnd.folder,
      EVENTS_DATABASE_URL: product.databases.eventsUrl,
      METRICS_DATABASE_URL: product.databases.metricsUrl,
      MAILTALLY_SECRET: "a secret of the tests, long enough for it",
    });
    expect(registered).toMatchObject({ code: 0, stderr: "" });
    await expect
      .poll(async () => JSON.parse(await frontEnd.run("run.cjs", product.url, key)) as unknown, { timeout: 60_000 })
      .toEqual({
        pages: [2, 4, 5],
        names: ["renamed", "campaign b", "campaign c", "campaign d", "campaign e"],
        refetched: "Campaign",
      });
    const { data } = await product.graphql<{ campaign: { id: string } }>(
      key,
      `{ campaign(externalId: "campaign a") { id } }`,
    );
    await product.graphql(
      key,
      `mutation ($id: ID!) { updateCampaign(input: { id: $id, name: "campaign a" }) { campaign { id } } }`,
      {
        id: data.campaign.id,
      },
    );
  },
  LIMIT_MS,
);
