import { readFileSync } from "node:fs";
import { expect, onTestFinished, test, vi } from "vitest";
import { startBuiltServer } from "../support/built-server.js";
import { startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";

vi.setConfig({ testTimeout: 60_000 });

const CAMPAIGNS = 20;
const WARMING = 200;
const REQUESTS = 400;

/** What operators start Node with, and a line about each collection. */
function flags(): string[] {
  const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    readonly scripts: { readonly mailtally: string };
  };
  return [
    ...scripts.mailtally.split(" ").filter((word) => word.startsWith("--")),
    "--min-semi-space-size=16",
    "--trace-gc-nvp",
  ];
}

/** Of the lines of collections: bytes. */
function sumOf(name: string, lines: string): number {
  return [...lines.matchAll(new RegExp(`\\b${name}=(\\d+)`, "g"))].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}

// A function that is assigned to a property, or a getter written into an object, is old from the beginning, and as long as it is not
// collected everything that it can see lives on (docs/decisions/0051). So does what a small Map has held (0057).
test("of what a request allocates nothing outlives it among the old objects", async () => {
  const product = await startProduct();
  onTestFinished(() => product.stop());
  const { key } = await product.createTenant();
  const occurredAt = "2026-10-01T10:00:00Z";
  await recordEvents(
    product,
    key,
    Array.from({ length: CAMPAIGNS }, (_, at) => ({
      type: "SENT",
      campaignExternalId: `autumn ${at}`,
      recipient: "ann@example.org",
      occurredAt,
    })),
  );
  await product.settled(key);
  const server = await startBuiltServer(
    {
      EVENTS_DATABASE_URL: product.databases.eventsUrl,
      METRICS_DATABASE_URL: product.databases.metricsUrl,
      MAILTALLY_SECRET: product.runtime.config.secret ?? "",
      CACHE_MEMORY_MB: "0",
      CACHE_NOW_TTL_SECONDS: "0",
      CACHE_RECENT_TTL_SECONDS: "0",
      CACHE_CLOSED_TTL_SECONDS: "0",
      COST_BUDGET: "0",
    },
    { flags: flags() },
  );
  onTestFinished(() => server.stop());
  // 600 points in 80 kB.
  const query = `{ campaigns(first: ${CAMPAIGNS}) { pageInfo { hasNextPage } nodes { id name metrics { sent { unique } openRate { value } }
    series(range: { from: "2026-10-01T00:00:00Z", to: "2026-10-31T00:00:00Z" }, granularity: DAY) {
      start metrics { delivered { unique } opened { unique } clicked { unique } }
    }
  } } }`;
  const ask = async (): Promise<void> => {
    const response = await fetch(`${server.url}/graphql`, {
      method: "POST",
      // zlib has streams behind its functions, which have functions of their own: four times as much would outlive the request.
      headers: { "content-type": "application/json", authorization: `Bearer ${key}`, "accept-encoding": "identity" },
      body: JSON.stringify({ query }),
    });
    expect((await response.text()).length).toBeGreaterThan(50_000);
  };
  for (let request = 0; request < WARMING; request++) await ask();
  const before = server.output().length;
  for (let request = 0; request < REQUESTS; request++) await ask();
  const lines = server.output().slice(before);
  const allocated = sumOf("allocated", lines);
  expect(allocated).toBeGreaterThan(REQUESTS * 100_000);
  expect(sumOf("promoted", lines)).toBeLessThan(0.005 * allocated);
});
