import { Client, fetchExchange, type TypedDocumentNode } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import { persistedExchange } from "@urql/exchange-persisted";
import { CampaignsDocument, PendingDocument, RecordDocument, RenameDocument } from "./gql/graphql.js";
import { countedFetch, settings, tell } from "./story.js";

const { url, bearer, byId } = settings();
const { fetch, requests } = countedFetch(byId);
const persisted = persistedExchange({
  enforcePersistedQueries: true,
  enableForMutation: true,
  preferGetForPersistedQueries: false,
  // As graphql-codegen has put it there.
  generateHash: async (_query, document) => {
    const { __meta__: meta } = document as unknown as { readonly __meta__: { readonly hash: string } };
    return meta.hash.slice("sha256:".length);
  },
});
const client = new Client({
  url,
  fetch,
  preferGetMethod: false,
  fetchOptions: { headers: { authorization: `Bearer ${bearer}` } },
  exchanges: [
    cacheExchange({
      resolvers: { Query: { campaigns: relayPagination() } },
      // Neither has an id: they belong to what they were asked of.
      keys: Object.fromEntries(
        [
          "Metrics",
          "Tally",
          "Rate",
          "KpiReport",
          "Freshness",
          "RecordEventsPayload",
          "EventRefusal",
          "CampaignPayload",
        ].map((name) => [name, () => null]),
      ),
    }),
    ...(byId ? [persisted] : []),
    fetchExchange,
  ],
});

async function query<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  requestPolicy: "cache-first" | "network-only" = "cache-first",
): Promise<Data> {
  const { data, error } = await client.query(document, variables, { requestPolicy }).toPromise();
  if (error !== undefined) throw error;
  if (data === undefined) throw new Error("There is no data");
  return data;
}

async function mutate<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const { data, error } = await client.mutation(document, variables).toPromise();
  if (error !== undefined) throw error;
  if (data === undefined) throw new Error("There is no data");
  return data;
}

await tell(
  {
    record: (variables) => mutate(RecordDocument, variables),
    pending: (range) => query(PendingDocument, { range }, "network-only"),
    page: async (first, after) => (await query(CampaignsDocument, { first, after })).campaigns,
    rename: async (id, name) => (await mutate(RenameDocument, { id, name })).updateCampaign.userErrors,
    cachedEdges(first) {
      const data = client.readQuery(CampaignsDocument, { first })?.data;
      if (data === undefined || data === null) throw new Error("Nothing is kept");
      return data.campaigns.edges;
    },
  },
  requests,
);
