const DAY_MS = 86_400_000;
const RANGE_DAYS = 30;

/** What a newcomer pastes first: the last 30 days, and the latest campaigns. */
function firstQuery(now: Date): string {
  const today = Math.floor(now.getTime() / DAY_MS) * DAY_MS;
  const from = `${day(today - (RANGE_DAYS - 1) * DAY_MS)}T00:00:00Z`;
  const to = `${day(today + DAY_MS)}T00:00:00Z`;
  return `{
  kpis(range: { from: "${from}", to: "${to}" }, compareTo: PREVIOUS_PERIOD) {
    metrics { sent { unique } openRate { value } clickRate { value } revenue { amount currency } }
    comparison { metrics { openRate { value } } }
    freshness { pendingEvents }
  }
  campaigns(first: 5, orderBy: { field: SENT_AT, direction: DESC }) {
    nodes { name sentAt metrics { delivered { unique } openRate { value } clickRate { value } } }
  }
}`;
}

export function banner(options: { url: string; key: string; seconds: number; now: Date }): string {
  const { url, key, seconds, now } = options;
  const query = firstQuery(now).replaceAll(/^/gm, "    ");
  return `
Mailtally is ready after ${seconds.toFixed(1)} s

  GraphiQL  ${url}/graphiql
  GraphQL   ${url}/graphql
  API key   ${key}
            (of the tenant "demo", with all scopes: put it into GraphiQL's key field,
            or send it as Authorization: Bearer <key>)

  At the first start the demo's data loads in the background, oldest campaign first: its numbers grow for half a minute.

  A first query:

${query}

  Ctrl-C stops it; the data stays.
`;
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
