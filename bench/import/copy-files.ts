import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream, type WriteStream } from "node:fs";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

interface Line {
  readonly type: "SENT" | "DELIVERED" | "BOUNCED" | "OPENED" | "CLICKED";
  readonly campaignExternalId: string;
  readonly recipient: string;
  readonly occurredAt: string;
  readonly statusCode?: string;
  readonly url?: string;
}

const NULL = "\\N";

/** Columns behind the common ones, in the order of the table. */
const DETAILS: Record<Line["type"], (line: Line) => readonly string[]> = {
  SENT: () => [],
  DELIVERED: () => [NULL],
  BOUNCED: ({ statusCode = NULL }) => [statusCode.startsWith("5") ? "HARD" : "SOFT", statusCode, NULL],
  OPENED: () => ["UNKNOWN", "0", NULL, NULL, NULL],
  CLICKED: ({ url = NULL }) => [url, "UNKNOWN", "0", NULL, NULL, NULL],
};

/** Writes what an import of the file would put into the tables of events, a file a table, in COPY's text format. */
export async function writeCopyFiles(file: string, folder: string) {
  const tenant = randomUUID();
  const receipt = randomUUID();
  const campaigns = new Map<string, string>();
  const months = new Set<string>();
  const outputs = new Map<string, WriteStream>();
  for await (const text of createInterface({ input: createReadStream(file) })) {
    const line = JSON.parse(text) as Line;
    const { type, campaignExternalId, recipient, occurredAt } = line;
    const campaign = campaigns.get(campaignExternalId) ?? randomUUID();
    campaigns.set(campaignExternalId, campaign);
    months.add(occurredAt.slice(0, 7));
    const id = uuidOf(text);
    const row = [tenant, id, id, campaign, uuidOf(recipient), NULL, occurredAt, occurredAt, receipt, NULL];
    const table = type.toLowerCase();
    const output = outputs.get(table) ?? createWriteStream(path.join(folder, `${table}.copy`));
    outputs.set(table, output);
    if (!output.write(`${[...row, ...DETAILS[type](line)].join("\t")}\n`)) await once(output, "drain");
  }
  for (const output of outputs.values()) await promisedEnd(output);
  return {
    files: Object.fromEntries(Array.from(outputs, ([table, output]) => [table, String(output.path)])),
    months: [...months],
  };
}

function uuidOf(text: string): string {
  const hex = createHash("md5").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

async function promisedEnd(output: WriteStream): Promise<void> {
  output.end();
  await once(output, "finish");
}
