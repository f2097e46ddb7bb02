/** What both clients do, and what they tell of it: typed by what was generated from the schema. */
import type { CampaignsQuery, PendingQuery, RecordMutation, RecordMutationVariables } from "./gql/graphql.js";

export type Edge = CampaignsQuery["campaigns"]["edges"][number];

/** A client, with a cache that pages and objects are merged in. */
export interface Client {
  record(variables: RecordMutationVariables): Promise<RecordMutation>;
  pending(range: { from: string; to: string }): Promise<PendingQuery>;
  /** The next page; gives all edges there are by then. */
  page(first: number, after: string | null): Promise<CampaignsQuery["campaigns"]>;
  rename(id: string, name: string): Promise<readonly { readonly code: string }[]>;
  /** The same without asking. */
  cachedEdges(first: number): readonly Edge[];
}

const NAMES = ["a", "b", "c", "d", "e"];
const RANGE = { from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" };
const PAGE = 2;

export async function tell(client: Client, requests: () => number): Promise<void> {
  // Each campaign has one more recipient than the one before, of whom the first opens it.
  const events = NAMES.flatMap((name, at) =>
    Array.from({ length: at + 2 }, (_, n) => ({
      type: n === 0 ? ("OPENED" as const) : ("DELIVERED" as const),
      campaignExternalId: `campaign ${name}`,
      recipient: `${Math.max(1, n)}@example.com`,
      occurredAt: "2026-11-01T10:00:00Z",
      metadata: { n },
    })),
  );
  const { recordEvents } = await client.record({
    input: {
      events: [...events, { type: "CLICKED", campaignExternalId: "a", recipient: "x@y.z", occurredAt: "yesterday" }],
    },
  });
  while ((await client.pending(RANGE)).kpis.freshness.pendingEvents > 0);

  const pages: number[] = [];
  let page = await client.page(PAGE, null);
  for (;;) {
    pages.push(page.edges.length);
    if (!page.pageInfo.hasNextPage) break;
    page = await client.page(PAGE, page.pageInfo.endCursor);
  }
  const [first] = page.edges;
  if (first === undefined) throw new Error("There are no campaigns");
  // @ts-expect-error -- types are those of the schema: what was not asked for is not there
  if (first.node.subject !== undefined) throw new Error("It was not asked for");
  const userErrors = await client.rename(first.node.id, "renamed");

  const before = requests();
  const cached = client.cachedEdges(PAGE).map(({ node }) => ({
    name: node.name,
    delivered: node.metrics.delivered.unique,
    openRate: node.metrics.openRate.value?.toFixed(3) ?? null,
  }));
  const { acceptedCount, refused, receipt } = recordEvents;
  process.stdout.write(
    JSON.stringify({
      acceptedCount,
      refused: refused.map(({ index, code, field }) => ({ index, code, field })),
      hasReceipt: receipt !== null,
      pages,
      total: page.totalCount,
      userErrors,
      cached,
      askedForCached: requests() - before,
    }),
  );
}

export function settings(): { readonly url: string; readonly bearer: string; readonly byId: boolean } {
  const [url = "", bearer = "", form = ""] = process.argv.slice(2);
  return { url: `${url}/graphql`, bearer, byId: form === "by-id" };
}

/** Counts what goes over the wire, and makes sure that no text does where documents are asked for by id. */
export function countedFetch(byId: boolean) {
  let requests = 0;
  const counted: typeof fetch = (input, init) => {
    requests += 1;
    const { query } = JSON.parse(String(init?.body)) as { query?: string };
    if ((query === undefined) !== byId) throw new Error(`A text was ${byId ? "sent" : "not sent"}`);
    return fetch(input, init);
  };
  return { fetch: counted, requests: () => requests };
}
