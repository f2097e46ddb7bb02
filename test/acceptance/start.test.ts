/**
 * `npm start` as a newcomer has it, in the order in which it happens: the first start, interruptions of every kind while the
 * demo's data loads, and at the end exactly the numbers that an uninterrupted load gives. The steps build on each other.
 */
import { access, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { demoEvents } from "../../src/demo/demo-events.js";
import { createGuardedFolder, type GuardedFolder } from "../support/guarded-folder.js";
import { waitFor } from "../support/wait-for.js";
import {
  ask,
  bannerOf,
  killStarted,
  PID_FILE,
  printed,
  RECORD,
  runCli,
  startCli,
  startOnTerminal,
} from "./command-line.js";

const STEP_MS = 110_000;
const LOADING_MS = 400_000;

let folder: GuardedFolder;
let env: Record<string, string>;
let key: string;
/** Campaigns of our own, with one event each, acknowledged by a server that was ended right after. */
const ownCampaigns: string[] = [];

beforeAll(async () => {
  folder = await createGuardedFolder(PID_FILE);
  env = { DATA_DIR: path.join(folder.path, "data"), PORT: "0" };
});
afterEach(killStarted);
afterAll(() => folder.remove());

test(
  "the first start prints a query that runs, while the data still loads, and a live event counts meanwhile",
  async () => {
    const program = startCli(["start"], env);
    const banner = await bannerOf(program);
    ({ key } = banner);
    expect(banner.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(program.stdout()).toContain(`${banner.url}/graphiql`);

    const first = await ask<{ kpis: { freshness: unknown } }>(banner.url, key, banner.firstQuery);
    expect(first).toMatchObject({ status: 200, data: { kpis: { freshness: expect.anything() } } });
    expect(first.errors).toBeUndefined();

    await loadedAtLeast(5_000);
    await recordOne(banner.url, "live");
    const started = performance.now();
    await waitFor(async () => (await campaignOf(banner.url, "live")) === 1, { what: "the live event to count" });
    const latencyMs = performance.now() - started;
    expect((await demoState()).done).toBe(false);
    process.stdout.write(`a live event counted ${latencyMs.toFixed(0)} ms after it was acknowledged\n`);
    await printed(program, /Loading the demo's data: \d+ of \d+ events\n/);

    await recordOne(banner.url, "before-ctrl-c");
    program.signalGroup("SIGINT");
    expect(await program.ended()).toMatchObject({ code: 0, stderr: expect.not.stringMatching(/error/i) });
    await expectNoServer();
  },
  STEP_MS,
);

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)(
  "a command that %s ends takes the server along that it has started",
  async (signal, code) => {
    // Waits for events that do not come.
    const command = startCli(["import", "-", "--tenant", "demo"], env);
    await waitFor(() => access(path.join(folder.path, PID_FILE)).then(() => true), { what: "the command's server" });
    command.child.kill(signal);
    expect(await command.ended()).toMatchObject({ code });
    await expectNoServer();
  },
  STEP_MS,
);

test(
  "a second start has the same key and the events acknowledged just before, and SIGTERM stops it",
  async () => {
    const program = startCli(["start"], env);
    const banner = await bannerOf(program);
    expect(banner.key).toBe(key);
    await waitFor(async () => (await campaignOf(banner.url, "before-ctrl-c")) === 1, {
      what: "the event recorded before Ctrl-C",
      deadlineMs: 30_000,
    });
    await recordOne(banner.url, "before-sigterm");
    program.signalGroup("SIGTERM");
    expect(await program.ended()).toMatchObject({ code: 0, stderr: "" });
    await expectNoServer();
  },
  STEP_MS,
);

test(
  "a second signal leaves at once, PostgreSQL ends by itself, and the next start takes over what is there",
  async () => {
    const program = startCli(["start"], env);
    const { url } = await bannerOf(program);
    await recordOne(url, "before-second-signal");
    program.signalGroup("SIGINT");
    program.signalGroup("SIGTERM");
    const { code } = await program.ended();
    // The stop may have been faster than the second signal.
    expect([0, 1]).toContain(code);
    await serverGone();
  },
  STEP_MS,
);

test(
  "kill -9 of the program in the middle of loading does no harm",
  async () => {
    const program = startCli(["start"], env);
    const { url } = await bannerOf(program);
    await loadsOn();
    await recordOne(url, "before-kill");
    program.child.kill("SIGKILL");
    expect(await program.ended()).toMatchObject({ code: null });
  },
  STEP_MS,
);

test(
  "kill -9 of the program and of PostgreSQL with all its processes does no harm",
  async () => {
    const program = startCli(["start"], env);
    const { url } = await bannerOf(program);
    await loadsOn();
    await recordOne(url, "before-kill-of-all");
    const postmaster = await postmasterPid();
    program.child.kill("SIGKILL");
    // The postmaster leads a group of its own, and so do its back ends: those follow it by themselves.
    process.kill(postmaster, "SIGKILL");
    expect(await program.ended()).toMatchObject({ code: null });
  },
  STEP_MS,
);

test(
  "a terminal gets a progress bar",
  async () => {
    const program = startOnTerminal(env);
    await printed(program, /Loading the demo's data [█░]+.* \d+%/);
    program.type("\u0003");
    expect(await program.ended()).toMatchObject({ code: 0 });
  },
  STEP_MS,
);

test(
  "closing the terminal stops everything, PostgreSQL last",
  async () => {
    const program = startOnTerminal(env);
    await printed(program, /Loading the demo's data/);
    program.child.kill("SIGKILL");
    expect(await program.ended()).toMatchObject({ code: null });
    await serverGone();
  },
  STEP_MS,
);

test(
  "after all that every number is that of an uninterrupted load, and no event of our own is lost",
  async () => {
    const program = startCli(["start"], env);
    const { url } = await bannerOf(program);
    await waitFor(async () => (await demoState()).done, { what: "the demo to be loaded", deadlineMs: LOADING_MS });
    await waitFor(
      async () => {
        const { data } = await ask<KpisAnswer>(url, key, KPIS);
        return Number(data.kpis.freshness.pendingEvents) === 0;
      },
      { what: "all events to be counted", deadlineMs: 60_000 },
    );
    const { data } = await ask<KpisAnswer>(url, key, KPIS);
    const counted = Object.fromEntries(
      Object.entries(data.kpis.metrics).map(([name, tally]) => [name, Number(tally.total)]),
    );
    expect(counted).toEqual(await expectedTotals());
    for (const campaign of ownCampaigns) expect(await campaignOf(url, campaign)).toBe(1);
    const verified = await runCli(["verify"], env);
    expect(verified).toMatchObject({ code: 0, stdout: "" });
    program.signalGroup("SIGINT");
    expect(await program.ended()).toMatchObject({ code: 0 });
    await expectNoServer();
  },
  LOADING_MS + STEP_MS,
);

interface KpisAnswer {
  readonly kpis: {
    readonly metrics: Record<string, { total: unknown }>;
    readonly freshness: { pendingEvents: unknown };
  };
}

/** The types whose total is no more than how many of them there are. */
const TOTALS = {
  SENT: "sent",
  OPENED: "opened",
  CLICKED: "clicked",
  BOUNCED: "bounced",
  UNSUBSCRIBED: "unsubscribed",
  CONVERTED: "converted",
} as const;
const KPIS = `{ kpis(range: { from: "2020-01-01T00:00:00Z", to: "2100-01-01T00:00:00Z" }) {
  metrics { ${Object.values(TOTALS)
    .map((name) => `${name} { total }`)
    .join(" ")} }
  freshness { pendingEvents }
} }`;

async function expectedTotals(): Promise<Record<string, number>> {
  const { madeFor } = await demoState();
  const totals: Record<string, number> = Object.fromEntries(Object.values(TOTALS).map((name) => [name, 0]));
  for (const { type } of demoEvents(new Date(madeFor))) {
    const name = (TOTALS as Record<string, string>)[type];
    if (name !== undefined) totals[name] = (totals[name] ?? 0) + 1;
  }
  totals["sent"] = (totals["sent"] ?? 0) + ownCampaigns.length;
  return totals;
}

async function demoState(): Promise<{ madeFor: string; loaded: number; done: boolean }> {
  return JSON.parse(await readFile(path.join(env["DATA_DIR"] ?? "", "demo.json"), "utf8")) as {
    madeFor: string;
    loaded: number;
    done: boolean;
  };
}

async function loadedAtLeast(events: number): Promise<void> {
  await waitFor(async () => (await demoState()).loaded >= events, { what: "the loading", deadlineMs: 60_000 });
}

/** Resolves when this start has loaded some more, and is not done. */
async function loadsOn(): Promise<void> {
  await loadedAtLeast((await demoState()).loaded + 5_000);
  expect((await demoState()).done).toBe(false);
}

/** One event for a campaign of its own, acknowledged. */
async function recordOne(url: string, campaign: string): Promise<void> {
  const event = { type: "SENT", campaignExternalId: campaign, recipient: "new@example.org" };
  const { data } = await ask<{ recordEvents: unknown }>(url, key, RECORD, {
    input: { events: [{ ...event, occurredAt: new Date().toISOString() }] },
  });
  expect(data.recordEvents).toEqual({ acceptedCount: 1, refused: [] });
  ownCampaigns.push(campaign);
}

/** How often the campaign was sent. */
async function campaignOf(url: string, externalId: string): Promise<number> {
  const { data } = await ask<{ campaign: { metrics: { sent: { total: unknown } } } | null }>(
    url,
    key,
    `query ($id: String!) { campaign(externalId: $id) { metrics { sent { total } } } }`,
    { id: externalId },
  );
  return Number(data.campaign?.metrics.sent.total ?? 0);
}

async function postmasterPid(): Promise<number> {
  return Number((await readFile(path.join(folder.path, PID_FILE), "utf8")).split("\n")[0]);
}

async function expectNoServer(): Promise<void> {
  await expect(postmasterPid()).rejects.toThrow("ENOENT");
}

async function serverGone(): Promise<void> {
  const isGone = () =>
    postmasterPid().then(
      () => false,
      () => true,
    );
  await waitFor(isGone, { what: "PostgreSQL to stop", deadlineMs: 60_000 });
}
