import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../src/database/embedded-port.js";
import { Telemetry } from "../../src/observability/telemetry.js";
import type { Runtime } from "../../src/runtime.js";
import { workWithProbes } from "../../src/work-with-probes.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { type SeverableProxy, startSeverableProxy } from "../support/severable-proxy.js";
import { waitFor } from "../support/wait-for.js";

let proxy: SeverableProxy;
let product: Product;
beforeAll(async () => {
  product = await startProduct({
    worker: false,
    eventsUrl: async (directUrl) => {
      proxy = await startSeverableProxy(directUrl);
      return proxy.url;
    },
  });
});
afterAll(async () => {
  await product.stop();
  await proxy.stop();
});

const sent = (recipient: string) => ({
  type: "SENT",
  campaignExternalId: "c",
  recipient,
  occurredAt: "2026-11-01T10:00:00Z",
});

/** The gauges of the inbox that a process shows, by name. */
async function inboxAt(url: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Object.fromEntries(
    [...text.matchAll(/^mailtally_inbox_(\w+) (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]),
  );
}

const DEADLINE_MS = 30_000;

test("a server tells what waits though no worker runs, nothing while it cannot know, and a worker tells the same", async () => {
  const { key } = await product.createTenant();
  await recordEvents(product, key, ["a@example.com", "b@example.com", "c@example.com"].map(sent));
  const { events, age_seconds: age = 0 } = await inboxAt(product.url);
  expect(events).toBe(3);
  expect(age).toBeGreaterThan(0);

  await proxy.sever();
  // A reading is kept for a second, or for fifty times as long as it took.
  await waitFor(async () => Object.keys(await inboxAt(product.url)).length === 0, {
    what: "no word of the inbox",
    deadlineMs: DEADLINE_MS,
  });
  await proxy.restore();
  expect(await inboxAt(product.url)).toEqual({ events: 3, age_seconds: expect.any(Number) });

  const { config } = product.runtime;
  const worker = { ...config.worker, port: await freePort() };
  const runtime: Runtime = { ...product.runtime, config: { ...config, worker }, telemetry: new Telemetry() };
  const working = await workWithProbes(runtime);
  try {
    for (const url of [product.url, `http://${config.http.host}:${worker.port}`]) {
      await waitFor(async () => (await inboxAt(url))["events"] === 0, {
        what: `an empty inbox at ${url}`,
        deadlineMs: DEADLINE_MS,
      });
      expect(await inboxAt(url)).toEqual({ events: 0, age_seconds: 0 });
    }
  } finally {
    await working.stop();
  }
}, 110_000);
