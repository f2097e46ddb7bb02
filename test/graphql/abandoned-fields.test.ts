import { Client } from "pg";
import { expect, onTestFinished, test } from "vitest";
import { startBuiltServer } from "../support/built-server.js";
import { startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";

test("a field that fails after another one has failed its answer does not end the server", async () => {
  const product = await startProduct();
  onTestFinished(() => product.stop());
  const { key } = await product.createTenant();
  const event = { type: "SENT", recipient: "ann@example.org", occurredAt: "2026-10-01T10:00:00Z" };
  for (const campaignExternalId of ["healthy", "broken"])
    await recordEvents(product, key, [{ ...event, campaignExternalId }]);
  await product.settled(key);
  // Fails when it is written out, while the links of the campaign before it are still waited for.
  const admin = new Client({ connectionString: product.databases.metricsUrl });
  await admin.connect();
  await admin.query("update campaigns set tags = '{null}' where external_id = 'broken'");
  await admin.end();
  const server = await startBuiltServer({
    EVENTS_DATABASE_URL: product.databases.eventsUrl,
    METRICS_DATABASE_URL: product.databases.metricsUrl,
    MAILTALLY_SECRET: product.runtime.config.secret ?? "",
  });
  onTestFinished(() => server.stop());
  const ask = (query: string) =>
    fetch(`${server.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body: JSON.stringify({ query }),
    });
  const inOrder = "orderBy: { field: CREATED_AT, direction: ASC }";
  for (let time = 0; time < 3; time++) {
    const failed = await ask(
      `{ campaigns(first: 10, ${inOrder}) { nodes { tags links(after: "${time}") { nodes { url } } } } }`,
    );
    expect(failed.status).toBe(500);
  }
  expect((await ask("{ viewer { scopes } }")).status).toBe(200);
});
