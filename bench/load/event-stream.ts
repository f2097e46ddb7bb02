/**
 * A stream of events as a sender with twenty campaigns under way makes them: of ten events four are SENT, three or four DELIVERED of
 * messages sent a little earlier, the rest what readers do with messages sent before those. Every event has an id of its own
 * and every message another pair of campaign and recipient. Texts, since an object would only be written out again.
 */
const CAMPAIGNS_AT_A_TIME = 20;
const RECIPIENTS_PER_CAMPAIGN = 20_000;
/** How many groups of ten events lie between a SENT, its DELIVERED and what the reader does. */
const DELIVERY_LAG = 300;
const READING_LAG = 3_000;

const CLIENTS = ["Gmail", "Apple Mail", "Outlook", "Thunderbird"];
const DEVICES = ["desktop", "mobile", "tablet"];
const COUNTRIES = ["DE", "US", "GB", "FR", "NL", "IE"];
const PROVIDERS = ["gmail", "microsoft", "yahoo", "icloud"];

function pick(list: readonly string[], at: number): string {
  return list[at % list.length] ?? "";
}

function reading(message: number): string {
  const reader = message % 997;
  return `,"client":"${pick(CLIENTS, reader)}","device":"${pick(DEVICES, reader)}","country":"${pick(COUNTRIES, reader)}"`;
}

/** What one reader in twenty groups does last. */
function rarer(group: number, message: number): string {
  switch (group % 20) {
    case 3:
      return `"type":"UNSUBSCRIBED","method":"link"`;
    case 9:
      return `"type":"COMPLAINED","feedbackSource":"abuse"`;
    case 14:
      return `"type":"CONVERTED","amount":"${(message % 90) + 10}.50","currency":"EUR"`;
    default:
      return group % 2 === 0
        ? `"type":"OPENED"${reading(message)}`
        : `"type":"CLICKED","url":"https://example.org/campaigns/${message % CAMPAIGNS_AT_A_TIME}/links/${message % 7}"${reading(message)}`;
  }
}

function occurrence(place: number): { readonly message: number; readonly what: string } {
  const group = Math.floor(place / 10) + READING_LAG;
  const slot = place % 10;
  if (slot < 4) return { message: 4 * group + slot, what: `"type":"SENT"` };
  if (slot < 8) {
    const message = 4 * (group - DELIVERY_LAG) + slot - 4;
    if (slot === 7 && group % 3 === 0) return { message, what: `"type":"BOUNCED","statusCode":"5.1.1"` };
    return { message, what: `"type":"DELIVERED","mailboxProvider":"${pick(PROVIDERS, message)}"` };
  }
  const message = 4 * (group - READING_LAG) + (group % 3);
  return slot === 8
    ? { message, what: `"type":"OPENED"${reading(message)}` }
    : { message, what: rarer(group, message) };
}

/** The event at a place of the stream of that name, as JSON of EventInput. */
export function eventAt(stream: string, place: number, occurredAt: string): string {
  const { message, what } = occurrence(place);
  const recipient = Math.floor(message / CAMPAIGNS_AT_A_TIME);
  const generation = Math.floor(recipient / RECIPIENTS_PER_CAMPAIGN);
  const campaign = `${stream}-${generation}-${message % CAMPAIGNS_AT_A_TIME}`;
  return (
    `{"eventId":"${stream}-${place}",${what},"campaignExternalId":"${campaign}",` +
    `"recipient":"reader-${recipient % 100_000}@example.org","messageId":"${stream}-${message}","occurredAt":"${occurredAt}"}`
  );
}

const MUTATION =
  "mutation Record($input: RecordEventsInput!) { recordEvents(input: $input) { receipt { id status } acceptedCount refused { index code field message } } }";
const GRAPHQL_START = `{"query":${JSON.stringify(MUTATION)},"variables":{"input":{"events":[`;

/** A call with the next events. `plain`: the same list without GraphQL around it. */
export function callOf(shape: "graphql" | "plain", events: readonly string[]): string {
  return shape === "graphql" ? `${GRAPHQL_START}${events.join(",")}]}}}` : `{"events":[${events.join(",")}]}`;
}
