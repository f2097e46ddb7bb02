/**
 * Counts the rows of the event log by hand, by docs/kpis.md and nothing of src/rollups: what both got wrong in the same way
 * would not show. It shares no code with the product but the names of the columns that it is compared with.
 */
export interface LogRow {
  readonly type: string;
  readonly campaign_id: string;
  readonly recipient_key: string;
  readonly message_id: string;
  readonly event_id: string;
  /** Milliseconds since the epoch: the load sends no finer times. */
  readonly at: number;
  readonly traffic: string | null;
  readonly bounce_class: string | null;
  readonly amount: string | null;
  readonly currency: string | null;
}

/** Counts by name, zero where it has none; revenue under "revenue EUR", in millionths. */
export type Counts = Map<string, bigint>;
/** By place: "campaign | basis | bucket". */
export type Tallies = Map<string, Counts>;

const QUARTER_MS = 900_000;
const ENGAGEMENTS = new Set(["OPENED", "CLICKED", "COMPLAINED", "UNSUBSCRIBED", "CONVERTED"]);

/** Everything that the rollups should hold, in all tables: a campaign of "*" stands for the tenant. */
export function bruteRecount(rows: readonly LogRow[], timeZone: string): Tallies {
  const tallies: Tallies = new Map();
  const dayOf = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  const count = (campaign: string, eventAt: number, sendAt: number, name: string, amount = 1n): void => {
    add(tallies, `${campaign} | total`, name, amount);
    for (const [basis, at] of [["EVENT", eventAt] as const, ["SEND", sendAt] as const]) {
      for (const place of [campaign, "*"]) {
        const quarter = new Date(Math.floor(at / QUARTER_MS) * QUARTER_MS).toISOString();
        add(tallies, `${place} | ${basis} | ${quarter}`, name, amount);
        add(tallies, `${place} | ${basis} | ${dayOf.format(at)}`, name, amount);
      }
    }
  };
  for (const events of Map.groupBy(rows, (row) => `${row.campaign_id} ${row.recipient_key}`).values()) {
    const campaign = events[0]?.campaign_id ?? "";
    const firstOf = (matches: (row: LogRow) => boolean): number | null => {
      const times = events.filter(matches).map((row) => row.at);
      return times.length === 0 ? null : Math.min(...times);
    };
    const sendAt = firstOf((row) => row.type === "SENT") ?? Math.min(...events.map((row) => row.at));
    for (const row of events) {
      for (const name of countsOf(row)) count(campaign, row.at, sendAt, name);
      if (row.amount !== null && row.currency !== null) {
        count(campaign, row.at, sendAt, `revenue ${row.currency}`, millionths(row.amount));
      }
    }
    const engagedAt = firstOf((row) => ENGAGEMENTS.has(row.type));
    const bouncedAt = firstOf((row) => row.type === "BOUNCED");
    const acceptedAt = firstOf((row) => row.type === "DELIVERED");
    const reached = bouncedAt !== null && engagedAt === null ? [] : [engagedAt, acceptedAt].filter((at) => at !== null);
    const uniques: Record<string, number | null> = {
      unique_sent: firstOf((row) => row.type === "SENT"),
      unique_delivered: reached.length === 0 ? null : Math.min(...reached),
      unique_deferred: firstOf((row) => row.type === "DEFERRED"),
      unique_bounced: bouncedAt,
      unique_hard_bounced: firstOf((row) => row.type === "BOUNCED" && row.bounce_class === "HARD"),
      unique_opened: firstOf((row) => row.type === "OPENED"),
      unique_opened_human: firstOf((row) => row.type === "OPENED" && row.traffic !== "MACHINE"),
      unique_clicked: firstOf((row) => row.type === "CLICKED"),
      unique_clicked_human: firstOf((row) => row.type === "CLICKED" && row.traffic !== "MACHINE"),
      unique_complained: firstOf((row) => row.type === "COMPLAINED"),
      unique_unsubscribed: firstOf((row) => row.type === "UNSUBSCRIBED"),
      unique_converted: firstOf((row) => row.type === "CONVERTED"),
      unique_rejected: firstOf((row) => row.type === "REJECTED"),
    };
    for (const [name, at] of Object.entries(uniques)) if (at !== null) count(campaign, at, sendAt, name);
  }
  return tallies;
}

function countsOf(row: LogRow): string[] {
  const name = row.type.toLowerCase();
  if (row.type === "BOUNCED") return [`bounced_${row.bounce_class?.toLowerCase()}`];
  const isHuman = (row.type === "OPENED" || row.type === "CLICKED") && row.traffic !== "MACHINE";
  return isHuman ? [name, `${name}_human`] : [name];
}

export function add(tallies: Tallies, place: string, name: string, amount: bigint): void {
  let counts = tallies.get(place);
  if (counts === undefined) tallies.set(place, (counts = new Map()));
  counts.set(name, (counts.get(name) ?? 0n) + amount);
}

/** "12.5" as 12500000n. */
export function millionths(amount: string): bigint {
  const [whole = "0", fraction = ""] = amount.split(".");
  return BigInt(whole + fraction.padEnd(6, "0"));
}

/** Where the two differ, as sentences. */
export function compareTallies(expected: Tallies, found: Tallies): string[] {
  const differences: string[] = [];
  for (const place of new Set([...expected.keys(), ...found.keys()])) {
    const [wanted, held] = [expected.get(place), found.get(place)];
    for (const name of new Set([...(wanted?.keys() ?? []), ...(held?.keys() ?? [])])) {
      const [should, does] = [wanted?.get(name) ?? 0n, held?.get(name) ?? 0n];
      if (should !== does) differences.push(`${place}: ${name} is ${does}, the log says ${should}`);
    }
  }
  return differences;
}
