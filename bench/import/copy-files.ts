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

const COMMON = [
  "tenant_id, id, event_id, campaign_id, recipient_key, message_id",
  "occurred_at, received_at, receipt_id, metadata",
] as const;

/** The columns of a table behind the common ones, and what stands in them. What an import leaves empty is not named. */
const DETAILS: Record<Line["type"], { readonly columns: readonly string[]; of(line: Line): readonly string[] }> = {
  SENT: { columns: [], of: () => [] },
  DELIVERED: { columns: [], of: () => [] },
  BOUNCED: {
    columns: ["bounce_class", "status_code"],
    of: ({ statusCode = NULL }) => [statusCode.startsWith("5") ? "HARD" : "SOFT", statusCode],
  },
  OPENED: { columns: ["traffic", "traffic_source"], of: () => ["UNKNOWN", "0"] },
  CLICKED: { columns: ["url", "traffic", "traffic_source"], of: ({ url = NULL }) => [url, "UNKNOWN", "0"] },
};

/** Writes what an import of the file would put into the tables of events, a file a table, in COPY's text format. */
export async function writeCopyFiles(file: string, folder: string) {
  const tenant = randomUUID();
  const receipt = randomUUID();
  const campaigns = new Map<string, string>();
  const months = new Set<string>();
  const outputs = new Map<Line["type"], WriteStream>();
  for await (const text of createInterface({ input: createReadStream(file) })) {
    const line = JSON.parse(text) as Line;
    const { type, campaignExternalId, recipient, occurredAt } = line;
    const campaign = campaigns.get(campaignExternalId) ?? randomUUID();
    campaigns.set(campaignExternalId, campaign);
    months.add(occurredAt.slice(0, 7));
    const id = uuidOf(text);
    const row = [tenant, id, id, campaign, uuidOf(recipient), NULL, occurredAt, occurredAt, receipt, NULL];
    const output = outputs.get(type) ?? createWriteStream(path.join(folder, `${tableOf(type)}.copy`));
    outputs.set(type, output);
    if (!output.write(`${[...row, ...DETAILS[type].of(line)].join("\t")}\n`)) await once(output, "drain");
  }
  for (const output of outputs.values()) await promisedEnd(output);
  return {
    tables: Array.from(outputs.keys(), tableOf),
    /** By table, with its columns. */
    files: Object.fromEntries(
      Array.from(outputs, ([type, output]) => [
        `${tableOf(type)} (${[...COMMON, ...DETAILS[type].columns].join(", ")})`,
        String(output.path),
      ]),
    ),
    months: [...months],
  };
}

function tableOf(type: Line["type"]): string {
  return type.toLowerCase();
}

function uuidOf(text: string): string {
  const hex = createHash("md5").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

async function promisedEnd(output: WriteStream): Promise<void> {
  output.end();
  await once(output, "finish");
}
