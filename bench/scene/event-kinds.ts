/**
 * What becomes of a message of a history, by its place in the send, in SQL: of ten messages nine arrive, three are opened
 * (one of them twice) and one is clicked. Reading is spread over 28 days, most of it early.
 */
export interface EventKind {
  /** The event's table, and its type in lower case. */
  readonly table: "sent" | "delivered" | "bounced" | "opened" | "clicked";
  /** Which messages have it, of `place`. */
  readonly condition: string;
  /** How long after the message was sent. */
  readonly delay: string;
  /** Columns of the event's table beside the common ones. */
  readonly details: Readonly<Record<string, string>>;
}

export const EVENTS_PER_MESSAGE = 2.5;

// Floating point throughout: exact decimals would take longer than all the rest.
const READ_AFTER =
  "interval '1 minute' + interval '28 days' * (((place * 7919) % 1000) / 1000::double precision) ^ 3::double precision";
const TRAFFIC = { traffic: "'UNKNOWN'::traffic_verdict" };

export const EVENT_KINDS: readonly EventKind[] = [
  { table: "sent", condition: "true", delay: "interval '0'", details: {} },
  {
    table: "delivered",
    condition: "place % 10 <> 0",
    delay: "interval '700 milliseconds'",
    details: { mailbox_provider: "'example'" },
  },
  {
    table: "bounced",
    condition: "place % 10 = 0",
    delay: "interval '900 milliseconds'",
    details: { bounce_class: "(case when place % 20 = 0 then 'HARD' else 'SOFT' end)::bounce_class" },
  },
  { table: "opened", condition: "place % 10 in (1, 2, 3)", delay: READ_AFTER, details: TRAFFIC },
  { table: "opened", condition: "place % 10 = 1", delay: `${READ_AFTER} + interval '1 hour'`, details: TRAFFIC },
  {
    table: "clicked",
    condition: "place % 10 = 3",
    delay: `${READ_AFTER} + interval '5 seconds'`,
    details: { ...TRAFFIC, url: "'https://example.org/' || (place % 7)" },
  },
];

/** A select of (campaign_id, place, at) of the messages that have such an event. Binds: ids and send times of campaigns, messages of each. */
export function messagesOf({ condition, delay }: EventKind, ids: string, sentAt: string, messages: string): string {
  return `select campaign.id as campaign_id, place,
      campaign.sent_at + interval '1 hour' * (place / ${messages}::double precision) + ${delay} as at
    from unnest(${ids}::uuid[], ${sentAt}::timestamptz[]) as campaign (id, sent_at)
    cross join generate_series(0, ${messages}::integer - 1) as place
    where ${condition}`;
}
