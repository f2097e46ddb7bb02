import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Telemetry } from "../../src/observability/telemetry.js";

async function namesOf(telemetry: Telemetry): Promise<string[]> {
  const { text } = await telemetry.render();
  return [...text.matchAll(/^# TYPE (mailtally_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`).toSorted();
}

test("docs/metrics.md describes every metric that there is, and no other", async () => {
  const docs = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
  const described = [...docs.matchAll(/^\| `(mailtally_\w+)`\s*\| (\w+)/gm)].map(([, name, type]) => `${name} ${type}`);
  expect(described.toSorted()).toEqual(await namesOf(new Telemetry()));
});

test("the shapes of one composed statement are one series", async () => {
  const telemetry = new Telemetry();
  telemetry.statement("campaigns.page.aB3_x-9Q", 0.002, false);
  telemetry.statement("campaigns.page.ZZZZZZZZ", 0.002, false);
  telemetry.statement("campaigns.page.ZZZZZZZZ", 0.002, true);
  const { text } = await telemetry.render();
  expect(text).toContain('mailtally_sql_statement_duration_seconds_count{statement="campaigns.page",outcome="ok"} 2');
  expect(text).toContain(
    'mailtally_sql_statement_duration_seconds_count{statement="campaigns.page",outcome="failed"} 1',
  );
});

test("what is noted is told under its name and labels", async () => {
  const telemetry = new Telemetry();
  let busy = 3;
  telemetry.watchPool("metrics", () => ({ total: 4, idle: 4 - busy, waiting: 2 }));
  telemetry.httpRequest("POST", "/graphql", 200, 0.02);
  telemetry.request("query", "partial", 0.02);
  telemetry.cache("redis");
  telemetry.acceptedEvents(5);
  telemetry.refusedEvents("INVALID", 2);
  telemetry.refusedCall({ scope: "tenant", measure: "age" });
  telemetry.appliedEvents("duplicate", 4);
  telemetry.rollupLag(0.04);
  telemetry.watchInbox(async () => ({ events: 7, ageSeconds: 1.5 }));
  telemetry.authenticationFailure("expired");
  const { text, contentType } = await telemetry.render();
  expect(contentType).toContain("text/plain");
  for (const line of [
    'mailtally_http_request_duration_seconds_count{method="POST",route="/graphql",status="200"} 1',
    'mailtally_graphql_operation_duration_seconds_count{kind="query",outcome="partial"} 1',
    'mailtally_database_connections{pool="metrics",state="busy"} 3',
    'mailtally_database_connections{pool="metrics",state="idle"} 1',
    'mailtally_database_waiting_requests{pool="metrics"} 2',
    'mailtally_cache_answers_total{layer="redis"} 1',
    "mailtally_events_accepted_total 5",
    'mailtally_events_refused_total{code="INVALID"} 2',
    'mailtally_calls_refused_total{scope="tenant",measure="age"} 1',
    'mailtally_events_applied_total{outcome="duplicate"} 4',
    "mailtally_rollup_lag_seconds_count 1",
    "mailtally_inbox_events 7",
    "mailtally_inbox_age_seconds 1.5",
    'mailtally_authentication_failures_total{reason="expired"} 1',
  ]) {
    expect(text.split("\n")).toContain(line);
  }
  telemetry.watchInbox(async () => null);
  busy = 1;
  const later = await telemetry.render();
  expect(later.text).not.toMatch(/^mailtally_inbox_/m);
  expect(later.text).toContain('mailtally_database_connections{pool="metrics",state="busy"} 1');
});
