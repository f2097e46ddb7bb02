/** What clients ask of one server during an upgrade: each sticks to its server, and is stopped before that is. */
import { ask } from "../acceptance/command-line.js";
import { waitFor } from "../support/wait-for.js";

const EVENTS_A_CALL = 10;
const CAMPAIGNS = 4;
const RECIPIENTS = 60;
/** So many event ids are sent by every writer of every server. */
const SHARED_EVENTS = 200;

const RECORD = `mutation ($input: RecordEventsInput!) {
  recordEvents(input: $input) { acceptedCount refused { code message } }
}`;
const CREATE = `mutation ($input: CreateCampaignInput!) {
  createCampaign(input: $input) { campaign { id name } userErrors { code message } }
}`;
const UPDATE = `mutation ($input: UpdateCampaignInput!) {
  updateCampaign(input: $input) { campaign { id name } userErrors { code message } }
}`;
const RANGE = `{ from: "2026-11-01T00:00:00Z", to: "2026-11-08T00:00:00Z" }`;
const READS = [
  `{ kpis(range: ${RANGE}) { metrics { sent { total unique } clicked { total unique } } freshness { pendingEvents } } }`,
  `{ kpis(range: ${RANGE}, basis: SEND) { metrics { opened { total unique } openRate { value } } } }`,
  `{ campaigns(first: 5) { nodes { id name links(first: 5) { nodes { url } } } } }`,
  `{ events(first: 10, filter: { occurredAt: ${RANGE} }) { nodes { id eventId type } } }`,
  `{ viewer { tenant { slug timeZone } scopes } }`,
];

export interface UpgradeLoad {
  /** What every client of a server was told that was not as it should be. */
  readonly failures: ReadonlySet<string>;
  /** Ids of the events that were acknowledged. */
  readonly acknowledged: ReadonlySet<string>;
  /** Resolves when each client has had so many more answers. */
  goesOn(answers: number): Promise<void>;
  stop(): Promise<void>;
}

/** Two that write and one that reads, one request after the other each. */
export function startLoad(url: string, key: string, label: string): UpgradeLoad {
  const failures = new Set<string>();
  const acknowledged = new Set<string>();
  const counts: number[] = [];
  const stopping = new AbortController();

  async function request<Data>(query: string, variables = {}): Promise<Data | undefined> {
    try {
      const { status, data, errors } = await ask<Data>(url, key, query, variables);
      if (status === 200 && errors === undefined) return data;
      failures.add(`${label}: ${query.slice(0, 40)} ${status} ${JSON.stringify(errors)}`);
    } catch (error) {
      failures.add(`${label}: ${query.slice(0, 40)} ${String(error)}`);
    }
    return undefined;
  }

  async function loop(step: (turn: number) => Promise<unknown>): Promise<void> {
    const client = counts.push(0) - 1;
    for (let turn = 0; !stopping.signal.aborted; turn += 1) {
      await step(turn);
      counts[client] = turn + 1;
    }
  }

  async function record(writer: number, turn: number): Promise<void> {
    const events = eventsOf(`${label}-${writer}`, turn);
    const answer = await request<{ recordEvents: { acceptedCount: number; refused: unknown[] } }>(RECORD, {
      input: { events },
    });
    if (answer === undefined) return;
    if (answer.recordEvents.refused.length > 0)
      failures.add(`${label}: ${JSON.stringify(answer.recordEvents.refused)}`);
    for (const { eventId } of events) acknowledged.add(eventId);
  }

  async function change(turn: number): Promise<void> {
    type Changed = Record<string, { campaign: { id: string; name: string } | null; userErrors: unknown[] }>;
    const made = await request<Changed>(CREATE, {
      input: { name: `made by ${label}`, externalId: `${label}-${turn}` },
    });
    const id = made?.["createCampaign"]?.campaign?.id;
    const changed = await request<Changed>(UPDATE, { input: { id, name: "changed", tags: [label] } });
    if (changed?.["updateCampaign"]?.campaign?.name !== "changed") failures.add(`${label}: ${JSON.stringify(changed)}`);
  }

  const loops = [
    loop((turn) => record(0, turn)),
    loop((turn) => (turn % 5 === 4 ? change(turn) : record(1, turn))),
    loop((turn) => request(READS[turn % READS.length] ?? "")),
  ];
  return {
    failures,
    acknowledged,
    async goesOn(answers) {
      const wanted = counts.map((count) => count + answers);
      await waitFor(() => counts.every((count, client) => count >= (wanted[client] ?? 0)), {
        what: `${answers} answers of each client`,
        deadlineMs: 60_000,
      });
    },
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

const TYPES = ["SENT", "DELIVERED", "OPENED", "CLICKED", "CLICKED", "CONVERTED", "BOUNCED", "UNSUBSCRIBED"];

/** Old and new meet in the same campaigns, recipients, links and quarter-hours, and every fifth event comes from both. */
function eventsOf(writer: string, turn: number) {
  return Array.from({ length: EVENTS_A_CALL }, (_, position) => {
    const n = turn * EVENTS_A_CALL + position;
    const isShared = position % 5 === 0;
    const at = isShared ? (n / 5) % SHARED_EVENTS : n;
    const type = TYPES[at % TYPES.length] ?? "SENT";
    return {
      eventId: isShared ? `shared-${at}` : `${writer}-${n}`,
      type,
      campaignExternalId: `campaign-${at % CAMPAIGNS}`,
      recipient: `recipient-${(at * 7) % RECIPIENTS}@example.org`,
      occurredAt: new Date(Date.UTC(2026, 10, 1 + (at % 7), at % 24, at % 60)).toISOString(),
      ...(type === "CLICKED" && { url: `https://example.org/${at % 3}` }),
      ...(type === "CONVERTED" && { amount: "1.25", currency: "EUR" }),
    };
  });
}
