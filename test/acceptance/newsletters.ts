/**
 * A nonprofit's newsletters with their publisher's own figures, as the events that a sender would have reported: each contact
 * with a row was sent to and reached, and each of those that the publisher counted and that have no row was sent to and no
 * more. The rows say that somebody opened or clicked, not when: the times are made up, always the same ones.
 */
import { createReadStream, existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { createGunzip } from "node:zlib";
import { parse } from "csv-parse";
import { z } from "zod";

/** What the publisher says of one send. */
export interface Newsletter {
  readonly externalId: string;
  readonly sendEpoch: number;
  /** Contacts that have a row. */
  readonly rows: number;
  readonly sent: number;
  readonly opened: number;
  readonly clicked: number;
  /** Per cent of sent, two decimals; sometimes cut where it should be rounded. */
  readonly clickPct: number;
}

const publishedFigures = z.array(
  z.object({
    send_epoch: z.int(),
    rows: z.int(),
    opened_7d: z.int(),
    clickers: z.int(),
    published_sent: z.int(),
    published_click_pct: z.number(),
  }),
);

const contactRow = z.object({
  send_epoch: z.coerce.number(),
  subscriber: z.coerce.number(),
  opened_within_7d: z.enum(["0", "1"]),
  clicked: z.enum(["0", "1"]),
});

const WEEK_SECONDS = 7 * 86_400;

/** Every newsletter of the folder, oldest first. */
export async function readNewsletters(folder: string): Promise<Newsletter[]> {
  const text = await readFile(path.join(folder, "expected_by_newsletter.json"), "utf8");
  return publishedFigures.parse(JSON.parse(text)).map((figures) => ({
    externalId: `newsletter-${figures.send_epoch}`,
    sendEpoch: figures.send_epoch,
    rows: figures.rows,
    sent: figures.published_sent,
    opened: figures.opened_7d,
    clicked: figures.clickers,
    clickPct: figures.published_click_pct,
  }));
}

/** The events of these newsletters as NDJSON, a line each, for `import`. */
export async function* newsletterLines(folder: string, newsletters: readonly Newsletter[]): AsyncGenerator<string> {
  for (const { externalId, sendEpoch, sent, rows } of newsletters) {
    for (let number = rows; number < sent; number++) {
      yield line("SENT", externalId, `without-row-${number - rows}@example.org`, sendEpoch);
    }
  }
  const bySend = new Map(newsletters.map((newsletter) => [newsletter.sendEpoch, newsletter.externalId]));
  for await (const row of contactRows(folder)) {
    const { send_epoch: sendEpoch, subscriber, opened_within_7d: opened, clicked } = contactRow.parse(row);
    const externalId = bySend.get(sendEpoch);
    if (externalId === undefined) continue;
    const recipient = `subscriber-${subscriber}@example.org`;
    const readSeconds = 120 + ((subscriber * 7_919) % (WEEK_SECONDS - 600));
    yield line("SENT", externalId, recipient, sendEpoch);
    yield line("DELIVERED", externalId, recipient, sendEpoch + 1 + (subscriber % 60));
    if (opened === "1") yield line("OPENED", externalId, recipient, sendEpoch + readSeconds);
    if (clicked === "1") yield line("CLICKED", externalId, recipient, sendEpoch + readSeconds + 20);
  }
}

/** How many lines that makes, by the publisher's figures. */
export function countEvents(newsletters: readonly Newsletter[]): number {
  return newsletters.reduce((sum, { sent, rows, opened, clicked }) => sum + sent + rows + opened + clicked, 0);
}

/** Packed or not. */
function contactRows(folder: string): AsyncIterable<unknown> {
  const plain = path.join(folder, "subscriber_events.csv");
  const parser = parse({ columns: true });
  const fail = (error: Error): void => void parser.destroy(error);
  if (existsSync(plain)) createReadStream(plain).on("error", fail).pipe(parser);
  else createReadStream(`${plain}.gz`).on("error", fail).pipe(createGunzip()).on("error", fail).pipe(parser);
  return parser;
}

function line(type: string, campaignExternalId: string, recipient: string, epochSeconds: number): string {
  const url = type === "CLICKED" ? { url: "https://example.org/volunteer" } : {};
  const occurredAt = new Date(epochSeconds * 1000).toISOString();
  return `${JSON.stringify({ type, campaignExternalId, recipient, occurredAt, ...url })}\n`;
}
