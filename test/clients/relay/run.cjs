/** Pages through campaigns, asks for one of them anew and renames it, by ids alone; tells what is in Relay's store in the end. */
const relay = require("relay-runtime");
const dashboardQuery = require("./artifacts/dashboardQuery.graphql");
const pageQuery = require("./artifacts/dashboardPageQuery.graphql");
const campaignQuery = require("./artifacts/dashboardCampaignQuery.graphql");
const renameMutation = require("./artifacts/dashboardRenameMutation.graphql");
const campaignsFragment = require("./artifacts/dashboard_campaigns.graphql");

const [url, bearer] = process.argv.slice(2);
const PAGE = 2;

const network = relay.Network.create(async ({ id, text }, variables) => {
  if (text !== null) throw new Error("The text is in the artifact");
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${bearer}` },
    body: JSON.stringify({ documentId: id, variables }),
  });
  const answer = await response.json();
  if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
  return answer;
});
const environment = new relay.Environment({ network, store: new relay.Store(new relay.RecordSource()) });
const first = relay.createOperationDescriptor(dashboardQuery, { count: PAGE, cursor: null });
environment.retain(first);

/** The connection as a component would see it. */
function connection() {
  const { data } = environment.lookup(first.fragment);
  return environment.lookup(relay.getSingularSelector(campaignsFragment, data)).data.campaigns;
}

async function main() {
  await relay.fetchQuery(environment, dashboardQuery, first.request.variables).toPromise();
  const pages = [connection().edges.length];
  while (connection().pageInfo.hasNextPage) {
    const variables = { count: PAGE, cursor: connection().pageInfo.endCursor };
    await relay.fetchQuery(environment, pageQuery, variables).toPromise();
    pages.push(connection().edges.length);
  }
  const [{ node }] = connection().edges;
  await relay.fetchQuery(environment, campaignQuery, { id: node.id }).toPromise();
  const record = environment.getStore().getSource().get(node.id);
  await new Promise((resolve, reject) => {
    const onCompleted = (_data, errors) => (errors ? reject(new Error(JSON.stringify(errors))) : resolve());
    const variables = { id: node.id, name: "renamed" };
    relay.commitMutation(environment, { mutation: renameMutation, variables, onCompleted, onError: reject });
  });
  const names = connection().edges.map((edge) => edge.node.name);
  process.stdout.write(JSON.stringify({ pages, names, refetched: record.__typename }));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
