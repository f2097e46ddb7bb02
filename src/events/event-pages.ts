/**
 * Pages of the event log: one statement that merges a branch for each type wanted, every branch walking an index of its
 * own table from where the page begins. A deep page costs what the first one costs.
 *
 * - The order is (occurred_at, key), and a key is unique within the tenant over all types: no two events tie.
 * - The time bounds stand beside the row comparison, since a row comparison prunes no partition.
 * - The end of the log at which a page begins is looked at first where it is likely to hold the whole page, and the rest where it
 *   does not: each partition that a statement may need is made ready before its first row, which over all types and 18 months
 *   takes three times everything else.
 * - Every branch has a limit in numbers: of a limit that is a parameter the planner believes it will take a tenth of the
 *   table, and sorts instead of walking the index.
 * - In a branch the row comparison is made only at the end where the page begins: it is what a plan's memory goes into.
 * - Statements are named by their shape. Shapes stay few, since most are prepared, on every connection: one type alone,
 *   opens and clicks, or all ten, from which a parameter takes those that are wanted.
 */
import { Parameters } from "../database/parameters.js";
import type { Session } from "../database/pool.js";
import type { Statement } from "../database/statement.js";
import { requireStorableJson } from "../database/storable-text.js";
import { PublicError } from "../errors.js";
import { type CampaignId, NIL_UUID, type RecipientKey, type TenantId } from "../ids.js";
import type { CursorBinding, Cursors } from "../pages/cursors.js";
import { type Page, pageOf, readBounds, rowsToFetch } from "../pages/page.js";
import { MAX_PAGE_SIZE, type PageRequest } from "../pages/page-arguments.js";
import { END_OF_TIME, type EpochMicros, formatInstant } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";
import { EVENT_TYPES, type EventType, type TrafficVerdict } from "./event.js";
import { branchColumns, type EventRow, eventRowColumns } from "./event-row.js";
import { EVENT_TABLES } from "./event-tables.js";
import { isTooDeep, MAX_METADATA_DEPTH } from "./metadata-depth.js";

/** Which events, and in which order. Null is no filter; no types at all are no events. */
export interface EventList {
  readonly types: readonly EventType[] | null;
  /** Null: since ever. Costs a look at every month that the log holds. */
  readonly occurredAt: TimeRange | null;
  readonly campaignId: CampaignId | null;
  /** When the campaign was sent, where that is known. No filter: its events are likely to begin there. */
  readonly campaignSentAt?: EpochMicros | null;
  readonly recipientKey: RecipientKey | null;
  /** What an event's metadata must contain. Needs one of the two above beside it. */
  readonly metadata: Readonly<Record<string, unknown>> | null;
  /** The exact verdict. Leaves opens and clicks only. */
  readonly traffic: TrafficVerdict | null;
  readonly order: "NEWEST_FIRST" | "OLDEST_FIRST";
}

type EventPosition = readonly [occurredAt: number, key: string];

interface Bounds {
  readonly after: EventPosition | null;
  readonly before: EventPosition | null;
}

const ENGAGEMENT: readonly EventType[] = ["OPENED", "CLICKED"];
/** What most campaigns have pages of. */
const FREQUENT: ReadonlySet<EventType> = new Set(["SENT", "DELIVERED", ...ENGAGEMENT]);
const MAX_METADATA_FILTER_CHARS = 8_192;
const MONTH_MICROS = 31 * 86_400 * 1_000_000;

/** Throws BAD_INPUT for a metadata filter that stands alone or is malformed, BAD_CURSOR for a cursor of another list. */
export async function readEventPage(
  session: Session<"events">,
  tenantId: TenantId,
  list: EventList,
  page: PageRequest,
  cursors: Cursors,
): Promise<Page<EventRow>> {
  checkMetadata(list);
  const wanted = wantedTypes(list);
  const binding = bindingOf(tenantId, list, wanted);
  const bounds = readBounds<EventPosition>(cursors, binding, page);
  const rows = wanted.length === 0 ? [] : await readRows(session, tenantId, { list, wanted, bounds, page });
  return pageOf(rows, page, binding, (node) => ({ position: [node.occurredAt, node.key], node }));
}

interface Wanted {
  readonly list: EventList;
  readonly wanted: readonly EventType[];
  readonly bounds: Bounds;
  readonly page: PageRequest;
}

async function readRows(session: Session<"events">, tenantId: TenantId, asked: Wanted): Promise<EventRow[]> {
  const whole = windowOf(asked);
  const limit = rowsToFetch(asked.page);
  const nearest = nearestOf(whole, asked);
  if (nearest === null) return session.run(pageStatement(tenantId, asked, whole, limit));
  const rows = await session.run(pageStatement(tenantId, asked, nearest, limit));
  if (rows.length === limit) return rows;
  const rest = whole.isDescending ? { ...whole, to: nearest.from } : { ...whole, from: nearest.to };
  return rows.concat(await session.run(pageStatement(tenantId, asked, rest, limit - rows.length)));
}

function checkMetadata({ metadata, campaignId, recipientKey }: EventList): void {
  if (metadata === null) return;
  const field = ["filter", "metadata"];
  if (campaignId === null && recipientKey === null) {
    throw new PublicError("BAD_INPUT", "metadata needs campaignId or recipient beside it.", { field });
  }
  if (isTooDeep(metadata)) {
    throw new PublicError("BAD_INPUT", `metadata holds more than ${MAX_METADATA_DEPTH} levels.`, { field });
  }
  if (JSON.stringify(metadata).length > MAX_METADATA_FILTER_CHARS) {
    const message = `metadata has more than ${MAX_METADATA_FILTER_CHARS} characters as JSON.`;
    throw new PublicError("BAD_INPUT", message, { field });
  }
  requireStorableJson(metadata, field);
}

function wantedTypes({ types, traffic }: EventList): readonly EventType[] {
  return (traffic === null ? EVENT_TYPES : ENGAGEMENT).filter((type) => types === null || types.includes(type));
}

function bindingOf(tenantId: TenantId, list: EventList, types: readonly EventType[]): CursorBinding {
  const { order, occurredAt, campaignId, recipientKey, metadata, traffic } = list;
  const range = occurredAt === null ? null : [occurredAt.from, occurredAt.to];
  return { tenantId, list: "events", filter: { types, range, campaignId, recipientKey, metadata, traffic }, order };
}

/** The types that the statement has branches for: those wanted, and maybe more. */
function branchTypes(wanted: readonly EventType[]): { readonly shape: string; readonly types: readonly EventType[] } {
  const [only] = wanted;
  if (wanted.length === 1 && only !== undefined) return { shape: EVENT_TABLES[only].name, types: wanted };
  return wanted.every((type) => ENGAGEMENT.includes(type))
    ? { shape: "engagement", types: ENGAGEMENT }
    : { shape: "all", types: EVENT_TYPES };
}

function pageStatement(
  tenantId: TenantId,
  { list, wanted }: Wanted,
  window: Window,
  limit: number,
): Statement<"events", EventRow> {
  const { isDescending, lower, upper } = window;
  const [near, far] = isDescending ? [upper, lower] : [lower, upper];
  const branches = branchTypes(wanted);
  const shape = ["events.page", branches.shape];
  const parameters = new Parameters();
  const tenant = parameters.add(tenantId);
  const types = parameters.add(wanted);
  const conditions = [
    `event.tenant_id = ${tenant}`,
    `event.occurred_at >= ${parameters.add(timestampOf(window.from))}`,
    `event.occurred_at < ${parameters.add(timestampOf(window.to))}`,
    `(event.occurred_at, event.id) ${isDescending ? "<" : ">"} (${near.map((part) => parameters.add(part)).join(", ")})`,
  ];
  const filter = (name: string, value: unknown, condition: (placeholder: string) => string) => {
    if (value === null) return;
    shape.push(name);
    conditions.push(condition(parameters.add(value)));
  };
  filter("campaign", list.campaignId, (value) => `event.campaign_id = ${value}`);
  // Whoever was erased is found by nobody who knows the address.
  filter(
    "recipient",
    list.recipientKey,
    (value) =>
      `event.recipient_key = ${value} and not exists (select from recipients where recipients.tenant_id = ${tenant} ` +
      `and recipients.recipient_key = ${value} and recipients.address is null)`,
  );
  filter("metadata", metadataFilter(list), (value) => `event.metadata @> ${value}`);
  filter("traffic", list.traffic, (value) => `event.traffic = ${value}`);
  const wantedRows = parameters.add(limit);

  const direction = isDescending ? "desc" : "asc";
  const order = `order by event.occurred_at ${direction}, event.id ${direction}`;
  const union = branches.types.map(
    (type) =>
      `(select ${branchColumns(EVENT_TABLES[type], branches.types)} from ${EVENT_TABLES[type].name} as event ` +
      `where '${type}' = any (${types}::text[]) and ${conditions.join(" and ")} ${order} limit ${MAX_PAGE_SIZE + 1})`,
  );
  // What lies past the far end can only be the tail of a branch, and the time bounds leave one microsecond of it.
  const beforeFar =
    `(event.occurred_at, event.id) ${isDescending ? ">" : "<"} (${parameters.add(far[0])}::timestamptz, ` +
    `${parameters.add(far[1])}::uuid)`;
  const text =
    `select ${eventRowColumns(branches.types)} from (select * from (${union.join(" union all ")}) as event ` +
    `where ${beforeFar} ${order} limit ${wantedRows}) as event left join recipients on recipients.tenant_id = ${tenant} ` +
    `and recipients.recipient_key = event.recipient_key ${order}`;
  shape.push(isDescending ? "desc" : "asc");
  return { database: "events", name: shape.join("."), text, values: parameters.values, isPrepared: isPrepared(list) };
}

/**
 * A prepared plan over all types weighs 4.6 MB at 28 months, on every connection; planning anew costs up to 20 ms. So all
 * is prepared but what is asked seldom: a recipient's events in one campaign.
 */
function isPrepared({ campaignId, recipientKey }: EventList): boolean {
  return campaignId === null || recipientKey === null;
}

/** Every event's metadata contains an empty object, also that of an event that has none. */
function metadataFilter({ metadata }: EventList): string | null {
  return metadata === null || Object.keys(metadata).length === 0 ? null : JSON.stringify(metadata);
}

interface Window {
  /** The direction of the walk, from the near end to the far one. */
  readonly isDescending: boolean;
  /** In microseconds, or infinite. Half-open; drawn tight around the positions, so that partitions outside are not touched. */
  readonly from: number;
  readonly to: number;
  /** Exclusive. */
  readonly lower: readonly [occurredAt: string, key: string];
  readonly upper: readonly [occurredAt: string, key: string];
}

function windowOf({ list: { order, occurredAt: range }, bounds: { after, before }, page }: Wanted): Window {
  const isNewestFirst = order === "NEWEST_FIRST";
  const [lower, upper] = isNewestFirst ? [before, after] : [after, before];
  return {
    isDescending: isNewestFirst === (page.direction === "FORWARD"),
    from: Math.max(range?.from ?? -Infinity, lower?.[0] ?? -Infinity),
    to: Math.min(range?.to ?? Infinity, upper === null ? Infinity : upper[0] + 1),
    lower: lower === null ? ["-infinity", NIL_UUID] : [timestampOf(lower[0]), lower[1]],
    upper: upper === null ? ["infinity", NIL_UUID] : [timestampOf(upper[0]), upper[1]],
  };
}

/**
 * The end of a window at which its page begins: a month, or for a campaign's first page what its sending says. Null where neither is
 * known, where the window is hardly longer than a month, and where the page is not likely to be filled: one person's events, and
 * of a campaign what is rare.
 */
function nearestOf(window: Window, { list, wanted, page }: Wanted): Window | null {
  const { isDescending, from, to } = window;
  if (list.recipientKey !== null || list.metadata !== null) return null;
  if (list.campaignId !== null && page.after === null && page.before === null) {
    return wanted.some((type) => FREQUENT.has(type)) ? aroundSending(window, list) : null;
  }
  const nearest = isDescending
    ? { ...window, from: Math.max(from, to - MONTH_MICROS) }
    : { ...window, to: Math.min(to, from + MONTH_MICROS) };
  const length = nearest.to - nearest.from;
  return Number.isFinite(length) && 2 * length <= to - from ? nearest : null;
}

/** The end of a window at which a campaign's first page begins: down to when it was sent, or up to a month after that. */
function aroundSending(window: Window, { campaignSentAt: sentAt }: EventList): Window | null {
  if (sentAt === undefined || sentAt === null) return null;
  const { isDescending, from, to } = window;
  const end = isDescending ? sentAt : sentAt + MONTH_MICROS;
  // Whoever may set it may have set it to the end of time.
  if (!(from < end && end < Math.min(to, END_OF_TIME))) return null;
  return isDescending ? { ...window, from: end } : { ...window, to: end };
}

function timestampOf(micros: number): string {
  if (!Number.isFinite(micros)) return micros < 0 ? "-infinity" : "infinity";
  return formatInstant(micros as EpochMicros);
}
