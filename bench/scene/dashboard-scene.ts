/**
 * What `reads` and `cached` read: two tenants of 24 campaigns each, sent on the first days of the range and opened until its
 * end, so that nearly every point of the series holds something. About 100,000 events in all, through import and worker.
 */
import { SCOPES, type Scope } from "../../src/access/scope.js";
import type { TenantId } from "../../src/ids.js";
import { MICROS_PER_DAY } from "../../src/time/instant.js";
import { DASHBOARD_DAYS, DASHBOARD_ZONE, type DashboardRange, dashboardRange } from "../dashboard-query.js";
import { countEverything, createTenantWithKeys, vacuum, writeLines } from "./fill.js";
import type { DatabasePair, Scene } from "./scene.js";

export interface DashboardScene {
  readonly databases: DatabasePair;
  readonly range: DashboardRange;
  readonly tenantIds: readonly TenantId[];
  /** Who asks on each connection; no two have the same authority, so that no answer of one may serve another. */
  readonly readers: readonly { readonly tenantId: TenantId; readonly key: string }[];
}

/** They differ in their numbers, so that whoever sees the other one's answers something else. */
const TENANTS = [
  { slug: "north", recipients: 900 },
  { slug: "south", recipients: 940 },
] as const;
const CAMPAIGNS = 24;
const SEND_DAYS = 8;

export async function openDashboardScene(
  scene: Scene,
  options: { readonly tenants: 1 | 2 } = { tenants: 2 },
): Promise<DashboardScene> {
  const databases = await scene.createDatabases("dashboard");
  const range = dashboardRange();
  const tenants: { readonly tenantId: TenantId; readonly keys: readonly string[] }[] = [];
  for (const { slug, recipients } of TENANTS.slice(0, options.tenants)) {
    const tenant = await createTenantWithKeys(databases, { slug, timeZone: DASHBOARD_ZONE }, authorities());
    const file = await writeLines(scene, `${slug}.ndjson`, dashboardEvents(range, recipients));
    await scene.command(databases, ["import", file, "--tenant", slug]);
    tenants.push(tenant);
  }
  await countEverything(scene, databases);
  await vacuum(databases.eventsUrl, databases.metricsUrl);
  const readers = authorities().flatMap((_, at) =>
    tenants.map(({ tenantId, keys }) => {
      const key = keys[at];
      if (key === undefined) throw new Error("A tenant has fewer keys than there are authorities");
      return { tenantId, key };
    }),
  );
  return { databases, range, tenantIds: tenants.map(({ tenantId }) => tenantId), readers };
}

/** Every set of scopes that may read metrics: 32. */
function authorities(): Scope[][] {
  const others = SCOPES.filter((scope) => scope !== "READ_METRICS");
  return Array.from({ length: 2 ** others.length }, (_, bits) => [
    "READ_METRICS",
    ...others.filter((_scope, at) => (bits >> at) % 2 === 1),
  ]);
}

/** Of ten messages nine arrive; four are opened, half of these at once and half over the weeks that follow; one is clicked. */
function* dashboardEvents({ from }: DashboardRange, recipients: number): Generator<string> {
  const startMs = from / 1_000;
  const dayMs = MICROS_PER_DAY / 1_000;
  // A day before the end: nothing may lie in the future, whatever the time of day is.
  const lastDay = DASHBOARD_DAYS - 2;
  for (let campaign = 0; campaign < CAMPAIGNS; campaign++) {
    const sentDay = campaign % SEND_DAYS;
    const sentMs = startMs + sentDay * dayMs + 8 * 3_600_000;
    for (let place = 0; place < recipients; place++) {
      const line = (type: string, atMs: number, more: Readonly<Record<string, string>> = {}) =>
        JSON.stringify({
          type,
          campaignExternalId: `newsletter-${campaign}`,
          recipient: `reader-${place}@example.org`,
          occurredAt: new Date(atMs).toISOString(),
          ...more,
        });
      yield line("SENT", sentMs + place);
      if (place % 10 === 9) {
        yield line("BOUNCED", sentMs + place + 900, { statusCode: "5.1.1" });
        continue;
      }
      yield line("DELIVERED", sentMs + place + 700);
      if (place % 5 > 1) continue;
      const daysLater = place % 2 === 0 ? 0 : Math.floor(place / 2) % (lastDay - sentDay);
      const openedMs = sentMs + daysLater * dayMs + 600_000 + (place % 97) * 60_000;
      yield line("OPENED", openedMs);
      if (place % 3 === 0) yield line("OPENED", openedMs + 3_600_000);
      if (place % 4 === 0 || place % 7 === 0) {
        yield line("CLICKED", openedMs + 5_000, { url: `https://example.org/${place % 7}` });
      }
    }
  }
}
