import { readFileSync } from "node:fs";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { relayStylePagination } from "@apollo/client/utilities";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { CampaignsDocument, PendingDocument, RecordDocument, RenameDocument } from "./gql/graphql.js";
import { countedFetch, settings, tell } from "./story.js";

const { url, bearer, byId } = settings();
const { fetch, requests } = countedFetch(byId);
const http = new HttpLink({ uri: url, fetch, headers: { authorization: `Bearer ${bearer}` } });
const manifest = new PersistedQueryLink(
  generatePersistedQueryIdsFromManifest({
    loadManifest: () => JSON.parse(readFileSync("persisted-query-manifest.json", "utf8")),
  }),
);
const client = new ApolloClient({
  link: byId ? ApolloLink.from([manifest, http]) : http,
  cache: new InMemoryCache({
    possibleTypes: {},
    typePolicies: { Query: { fields: { campaigns: relayStylePagination(["filter", "orderBy"]) } } },
  }),
});
const given = <T>(data: T | undefined): T => {
  if (data === undefined) throw new Error("There is no data");
  return data;
};

const cachedCampaigns = (first: number) =>
  given(client.readQuery({ query: CampaignsDocument, variables: { first } }) ?? undefined).campaigns;

await tell(
  {
    record: async (variables) => given((await client.mutate({ mutation: RecordDocument, variables })).data),
    pending: async (range) =>
      given((await client.query({ query: PendingDocument, variables: { range }, fetchPolicy: "network-only" })).data),
    async page(first, after) {
      if (after === null) await client.query({ query: CampaignsDocument, variables: { first } });
      else
        await client.watchQuery({ query: CampaignsDocument, variables: { first } }).fetchMore({ variables: { after } });
      return cachedCampaigns(first);
    },
    async rename(id, name) {
      return given((await client.mutate({ mutation: RenameDocument, variables: { id, name } })).data).updateCampaign
        .userErrors;
    },
    cachedEdges: (first) => cachedCampaigns(first).edges,
  },
  requests,
);
