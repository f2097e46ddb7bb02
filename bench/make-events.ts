/**
 * Writes a file for `import` as large as wanted: node bench/make-events.ts <events> <file.ndjson>
 *
 * Campaigns of 20,000 recipients, a day apart, out of a list of 100,000. Of ten messages nine arrive, three are opened (one
 * of them twice) and one is clicked. Always the same events; none has an id of its own, so that the ids are derived.
 */
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const RECIPIENTS_PER_CAMPAIGN = 20_000;
const RECIPIENTS = 100_000;
const FIRST_SEND_MS = Date.UTC(2026, 0, 5, 9);
const DAY_MS = 86_400_000;
const LINES_PER_CHUNK = 5_000;

interface Occurrence {
  readonly type: "SENT" | "DELIVERED" | "BOUNCED" | "OPENED" | "CLICKED";
  readonly afterMs: number;
  readonly details?: Readonly<Record<string, string>>;
}

/** What becomes of one message, by its place in the send. */
function fate(place: number): Occurrence[] {
  const sent: Occurrence = { type: "SENT", afterMs: place };
  if (place % 10 === 0) {
    return [
      sent,
      { type: "BOUNCED", afterMs: place + 900, details: { statusCode: place % 20 === 0 ? "5.1.1" : "4.2.2" } },
    ];
  }
  const delivered: Occurrence = { type: "DELIVERED", afterMs: place + 700 };
  // Spread over three days, most of it early.
  const readMs = 60_000 + Math.floor(3 * DAY_MS * (((place * 7_919) % 1_000) / 1_000) ** 3);
  const opened = (times: number): Occurrence[] =>
    Array.from({ length: times }, (_, time) => ({ type: "OPENED", afterMs: readMs + place + time * 3_600_000 }));
  if (place % 10 === 1) return [sent, delivered, ...opened(2)];
  if (place % 10 === 2) return [sent, delivered, ...opened(1)];
  if (place % 10 === 3) {
    const url = `https://example.org/${place % 7}`;
    return [sent, delivered, ...opened(1), { type: "CLICKED", afterMs: readMs + place + 5_000, details: { url } }];
  }
  return [sent, delivered];
}

function* lines(count: number): Generator<string> {
  let made = 0;
  for (let campaign = 0; ; campaign++) {
    for (let place = 0; place < RECIPIENTS_PER_CAMPAIGN; place++) {
      const recipient = `reader-${(campaign * 7_001 + place) % RECIPIENTS}@example.org`;
      for (const { type, afterMs, details } of fate(place)) {
        if (made++ === count) return;
        const occurredAt = new Date(FIRST_SEND_MS + campaign * DAY_MS + afterMs).toISOString();
        yield JSON.stringify({ type, campaignExternalId: `bench-${campaign}`, recipient, occurredAt, ...details });
      }
    }
  }
}

function* chunks(count: number): Generator<string> {
  let chunk: string[] = [];
  for (const line of lines(count)) {
    chunk.push(line);
    if (chunk.length < LINES_PER_CHUNK) continue;
    yield `${chunk.join("\n")}\n`;
    chunk = [];
  }
  if (chunk.length > 0) yield `${chunk.join("\n")}\n`;
}

const [count, file] = process.argv.slice(2);
if (!/^\d+$/.test(count ?? "") || file === undefined) {
  process.stderr.write("usage: node bench/make-events.ts <events> <file.ndjson>\n");
  process.exitCode = 2;
} else await pipeline(Readable.from(chunks(Number(count))), createWriteStream(file));
