import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CampaignStore } from "../../src/campaigns/campaign-store.js";
import { loadDemo } from "../../src/demo/load-demo.js";
import type { TenantId } from "../../src/ids.js";
import type { Intake } from "../../src/ingest/intake.js";
import { createLogger } from "../../src/observability/logger.js";

const MADE_AT = new Date("2026-11-20T12:34:56.789Z");
const LATER = new Date("2026-11-24T08:00:00.000Z");

let folder: string;
let stateFile: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "mailtally-demo-"));
  stateFile = path.join(folder, "demo.json");
});
afterEach(() => rm(folder, { recursive: true }));

/** Loads so many calls' events; says which they were, and what was logged. */
async function load(calls: number): Promise<{ ids: string[]; logged: string }> {
  const stopping = new AbortController();
  const ids: string[] = [];
  let logged = "";
  await loadDemo({
    tenantId: "01a1fc30-0000-7000-8000-000000000000" as TenantId,
    intake: {
      accept: async ({ events }: { events: readonly { eventId: string }[] }) =>
        ids.push(...events.map((e) => e.eventId)),
    } as unknown as Intake,
    campaigns: { create: async () => undefined } as unknown as CampaignStore,
    stateFile,
    now: () => LATER,
    tenantCreatedAt: MADE_AT,
    log: createLogger("warn", { write: (line: string) => void (logged += line) }),
    waitWhileFull: async () => {
      if (ids.length >= calls * 1000) stopping.abort();
    },
    onProgress: () => undefined,
    signal: stopping.signal,
  });
  return { ids, logged };
}

const state = async () => JSON.parse(await readFile(stateFile, "utf8")) as unknown;

test.each(["", '{"madeFor":"2026-11-20T12:34', '{"madeFor":"yesterday","loaded":1,"done":true}'])(
  "a damaged state (%j) is named, and the loading begins anew with the events of the first time",
  async (damaged) => {
    await writeFile(stateFile, `${JSON.stringify({ madeFor: MADE_AT.toISOString(), loaded: 0, done: false })}\n`);
    const first = await load(1);
    expect(first).toMatchObject({ ids: { length: 1_000 }, logged: "" });

    await writeFile(stateFile, damaged);
    const second = await load(1);
    expect(second.ids).toEqual(first.ids);
    expect(JSON.parse(second.logged)).toMatchObject({ level: "warn", file: stateFile });
    expect(await state()).toEqual({ madeFor: MADE_AT.toISOString(), loaded: 1_000, done: false });
    expect(await readdir(folder)).toEqual(["demo.json"]);
  },
);

test("a first loading is made for now, and the next one goes on behind it", async () => {
  const first = await load(1);
  const second = await load(1);
  expect(await state()).toEqual({ madeFor: LATER.toISOString(), loaded: 2_000, done: false });
  expect(second.ids.filter((id) => first.ids.includes(id))).toEqual([]);
});
