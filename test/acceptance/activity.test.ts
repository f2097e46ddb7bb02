/** Opens and clicks with their real times and repeats, through a CSV file: totals, uniques and links must be the known ones. */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Product, startProduct } from "../support/product.js";
import { importInto } from "./import-into.js";

const MADE_UP = fileURLToPath(new URL("../fixtures/activity", import.meta.url));
const REAL = fileURLToPath(new URL("../../../shared/data/mailchimp", import.meta.url));
const isRealAbsent = !existsSync(REAL);

/** The files do not say when a campaign was sent. */
const SENT_AT: Readonly<Record<string, string>> = { c2b4c1c0d9: "2019-11-27T17:00:00Z" };
const OTHERS_SENT_AT = "2020-04-17T16:00:00Z";

const TYPES = { recipient: "SENT", open: "OPENED", click: "CLICKED", unsubscribe: "UNSUBSCRIBED" } as const;

const activityRows = z.array(
  z.object({
    campaign: z.string(),
    member: z.string(),
    action: z.enum(["recipient", "open", "click", "unsubscribe"]),
    timestamp: z.string(),
    url: z.string(),
  }),
);

const tally = z.object({ total: z.int(), unique: z.int() });
const expectedByCampaign = z.record(
  z.string(),
  z.object({
    recipients: z.int(),
    opens: tally,
    clicks: tally,
    unsubscribes: tally,
    links: z.record(z.string(), tally),
  }),
);

type Tally = z.infer<typeof tally>;
interface FoundCampaign {
  readonly metrics: Readonly<Record<"sent" | "opened" | "clicked" | "unsubscribed", Tally>>;
  readonly links: { readonly nodes: readonly { readonly url: string; readonly clicks: Tally }[] };
}

const QUERY = `query ($externalId: String!) {
  campaign(externalId: $externalId) {
    metrics {
      sent { total unique } opened { total unique } clicked { total unique } unsubscribed { total unique }
    }
    links(first: 100) { nodes { url clicks { total unique } } }
  }
}`;

let product: Product;
let workFolder: string;
beforeAll(async () => {
  product = await startProduct();
  workFolder = await mkdtemp(path.join(tmpdir(), "activity-"));
});
afterAll(async () => {
  await product.stop();
  await rm(workFolder, { recursive: true });
});

test("made-up activity counts to the known totals, uniques and links", async () => {
  const { known, found } = await countActivity(MADE_UP);
  expect(known).toHaveLength(3);
  expect(found).toEqual(known);
});

test.skipIf(isRealAbsent)(
  `real activity counts to the known totals, uniques and links${isRealAbsent ? " (skipped: ../shared/data is not there)" : ""}`,
  async () => {
    const { known, found } = await countActivity(REAL);
    expect(known).toHaveLength(3);
    expect(found).toEqual(known);
  },
);

describe("events that are alike in all that an id is derived from", () => {
  const open = { type: "OPENED", campaignExternalId: "alike", recipient: "ann", occurredAt: "2020-04-17T16:01:00Z" };

  test("count once without ids of their own", async () => {
    const findCampaign = await importEvents("alike-without-ids.ndjson", [open, open]);
    expect(await findCampaign("alike")).toMatchObject({ metrics: { opened: { total: 1, unique: 1 } } });
  });

  test("count each where their source gives them ids, or messages", async () => {
    const findCampaign = await importEvents("alike-with-ids.ndjson", [
      { ...open, eventId: "1" },
      { ...open, eventId: "2" },
      { ...open, messageId: "first" },
      { ...open, messageId: "second" },
    ]);
    expect(await findCampaign("alike")).toMatchObject({ metrics: { opened: { total: 4, unique: 1 } } });
  });
});

/** Imports the folder's activity; its campaigns' numbers as they are known and as the API has them, in one shape. */
async function countActivity(folder: string) {
  const text = await readFile(path.join(folder, "activity.csv"), "utf8");
  const expected = expectedByCampaign.parse(JSON.parse(await readFile(path.join(folder, "expected.json"), "utf8")));
  const lines = activityRows
    .parse(parse(text, { columns: true }))
    .map(({ campaign, member, action, timestamp, url }) => {
      const occurredAt =
        action === "recipient" ? (SENT_AT[campaign] ?? OTHERS_SENT_AT) : `${timestamp.replace(" ", "T")}Z`;
      return [TYPES[action], campaign, member, occurredAt, url].join(",");
    });
  // No row carries an id: rows that were alike would be one event, and the totals could not tell why.
  if (new Set(lines).size !== lines.length) throw new Error(`Rows of ${folder} are alike`);

  const findCampaign = await importFileOf("activity.csv", [
    "type,campaignExternalId,recipient,occurredAt,url",
    ...lines,
  ]);
  const campaigns = Object.keys(expected);
  return {
    known: Object.entries(expected).map(([campaign, { recipients, opens, clicks, unsubscribes, links }]) => ({
      campaign,
      metrics: {
        sent: { total: recipients, unique: recipients },
        opened: opens,
        clicked: clicks,
        unsubscribed: unsubscribes,
      },
      links,
    })),
    found: await Promise.all(
      campaigns.map(async (campaign) => {
        const { metrics, links } = await findCampaign(campaign);
        return { campaign, metrics, links: Object.fromEntries(links.nodes.map(({ url, clicks }) => [url, clicks])) };
      }),
    ),
  };
}

function importEvents(name: string, events: readonly object[]) {
  return importFileOf(
    name,
    events.map((event) => JSON.stringify(event)),
  );
}

/** Imports the lines for a tenant of their own; the answer finds its campaigns. */
async function importFileOf(name: string, lines: readonly string[]) {
  const { tenantId, key } = await product.createTenant();
  const file = path.join(workFolder, name);
  await writeFile(file, `${lines.join("\n")}\n`);
  await importInto(product, tenantId, file);
  await product.settled(key);
  return async (externalId: string): Promise<FoundCampaign> => {
    const { data } = await product.graphql<{ campaign: FoundCampaign }>(key, QUERY, { externalId });
    return data.campaign;
  };
}
