/**
 * The faults. Each strikes once, at a moment of its own choosing while events go in, and leaves the healing to the round.
 * Its answer says whether it hit what its name promises: one that depends on catching a moment may miss it.
 */
import type { SeededRandom } from "../../src/demo/seeded-random.js";
import { waitFor } from "../support/wait-for.js";
import { pause } from "./pause.js";
import type { ProductProcess } from "./processes.js";
import type { Connection, Proxy, Watcher } from "./proxy.js";
import type { Rig } from "./rig.js";

export interface Scene {
  readonly rig: Rig;
  readonly random: SeededRandom;
}

export type Fault = (scene: Scene) => Promise<"hit" | "missed">;

/** So long at most does a fault wait for its moment. */
const MOMENT_MS = 4_000;

export const FAULTS = {
  /** Redelivery and repeated calls alone: they are part of every load. */
  "none but redelivery": async () => "hit",
  "kill worker": async ({ rig, random }) => {
    for (let times = random.chance(0.5) ? 2 : 1; times > 0; times -= 1) {
      const worker = pick(random, rig.running);
      // In the middle of a batch, wherever that is.
      await moment(worker.links.events, random.chance(0.7) ? pick(random, BATCH_STATEMENTS) : "");
      await worker.kill();
      await worker.start();
    }
    return "hit";
  },
  "kill server": async ({ rig, random }) => {
    const server = pick(random, rig.servers);
    await moment(server.links.events, random.chance(0.7) ? pick(random, INTAKE_STATEMENTS) : "");
    await server.kill();
    await pause(random.between(0, 300));
    await server.start();
    return "hit";
  },
  "kill events PostgreSQL": ({ rig, random }) => killPostgres(rig, random, "events"),
  "kill metrics PostgreSQL": ({ rig, random }) => killPostgres(rig, random, "metrics"),
  "between the commits": betweenTheCommits,
  /** The metrics are about to be committed: dies the projector here, the outbox must still hold the message. */
  "before the metrics commit": async ({ rig, random }) => {
    let hits = 0;
    for (let times = 2; times > 0; times -= 1) {
      const worker = pick(random, rig.running);
      if ((await moment(worker.links.metrics, "commit", { verdict: "hold", only: isCommit })) === null) continue;
      hits += 1;
      await worker.kill();
      await worker.start();
    }
    return hits > 0 ? "hit" : "missed";
  },
  "lost answer to a commit": lostCommitAnswer,
  "frozen worker": frozenWorker,
  "cut connections": async ({ rig, random }) => {
    for (let times = 3; times > 0; times -= 1) {
      for (const { links } of rig.processes) {
        for (const link of Object.values(links) as Proxy[]) if (random.chance(0.4)) link.cut();
      }
      await pause(random.between(50, 400));
    }
    return "hit";
  },
  "half-open connections": async ({ rig, random }) => {
    const links = rig.processes.flatMap((running) => Object.values(running.links) as Proxy[]);
    const silent = links.filter(() => random.chance(0.3));
    for (const link of silent) link.silence();
    await pause(random.between(500, 1_500));
    for (const link of silent) link.heal();
    return silent.length > 0 ? "hit" : "missed";
  },
  "Redis gone": async ({ rig, random }) => {
    await rig.killRedis();
    await pause(random.between(300, 1_000));
    await rig.startRedis();
    return "hit";
  },
  "metrics database gone": async ({ rig, random }) => {
    const links = rig.processes.map((running) => running.links.metrics);
    for (const link of links) link.refuse();
    await pause(random.between(600, 1_500));
    for (const link of links) link.heal();
    return "hit";
  },
  "full inbox": async ({ rig, random }) => {
    // Nobody works until a server refuses calls for what waits; then all come back at once.
    const before = await refusedCalls(rig);
    const workers = rig.running;
    await Promise.all(workers.map((worker) => worker.kill()));
    const isFull = await waitFor(async () => (await refusedCalls(rig)) > before, {
      what: "a call to be refused",
      deadlineMs: MOMENT_MS,
    }).catch(() => false);
    await pause(random.between(0, 500));
    await Promise.all(workers.map((worker) => worker.start()));
    return isFull ? "hit" : "missed";
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

/** Calls that the servers have refused because too much waits. */
async function refusedCalls(rig: Rig): Promise<number> {
  const counts = await Promise.all(
    rig.servers.map(async ({ url }) => {
      const text = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(1_000) }).then(
        (response) => response.text(),
        () => "",
      );
      return Array.from(text.matchAll(/^mailtally_calls_refused_total\{[^}]*\} (\d+)$/gm), (match) => Number(match[1]));
    }),
  );
  return counts.flat().reduce((sum, count) => sum + count, 0);
}

/** What a worker sends in the course of a batch, and a projector. */
const BATCH_STATEMENTS = [
  "inbox.lock_shares",
  "event_log.remember_ids",
  "event_log.append_sent",
  "outbox.append",
  "receipts.write",
  "outbox.claim",
  "commit",
] as const;
const INTAKE_STATEMENTS = ["inbox.append", "idempotency.remember", "commit"] as const;

function pick<T>(random: SeededRandom, choices: readonly T[]): T {
  const [first, ...rest] = choices;
  if (first === undefined) throw new Error("There is nothing to choose from");
  return random.pick([first, ...rest]);
}

/** Resolves when a process sends something with this in it; stops the connection there if told. False where it never came. */
async function moment(
  link: Proxy,
  statement: string,
  {
    verdict = "pass",
    only,
  }: { readonly verdict?: ReturnType<Watcher>; readonly only?: (chunk: Buffer) => boolean } = {},
): Promise<Connection | null> {
  let struck: Connection | null = null;
  const unwatch = link.watch((chunk, connection) => {
    if (struck !== null || !chunk.includes(statement) || only?.(chunk) === false) return "pass";
    struck = connection;
    return verdict;
  });
  await waitFor(() => struck !== null, { what: statement, deadlineMs: MOMENT_MS }).catch(() => undefined);
  unwatch();
  return struck;
}

/** A commit is a simple query: nothing else travels with it. */
function isCommit(chunk: Buffer): boolean {
  return chunk.includes("commit\0") && chunk.length < 20;
}

async function killPostgres(rig: Rig, random: SeededRandom, database: "events" | "metrics"): Promise<"hit" | "missed"> {
  const cluster = rig[database];
  await moment(pick(random, rig.processes.filter(isRunning)).links[database], random.chance(0.5) ? "commit" : "");
  if (random.chance(0.3)) {
    await cluster.killBackend((pids) => pids[Math.floor(random.next() * pids.length)]);
  } else {
    await cluster.kill();
    await pause(random.between(0, 600));
    await cluster.start();
  }
  return "hit";
}

function isRunning(candidate: ProductProcess): boolean {
  return candidate.isUp;
}

/**
 * The one place where an event could count twice: the metrics have committed a message and the outbox still holds it. The
 * projector's connection is stopped at the statement that removes it, the state is looked at, and then somebody dies.
 */
async function betweenTheCommits({ rig, random }: Scene): Promise<"hit" | "missed"> {
  const worker = pick(random, rig.running);
  const connection = await moment(worker.links.events, "outbox.remove", {
    verdict: "hold",
    // A projector that came too late for any message removes none.
    only: (chunk) => !chunk.includes("{}"),
  });
  if (connection === null) return "missed";
  const waiting = await rig.events.ask<{ id: string }>("select id from outbox");
  const ids = waiting.map((row) => row.id);
  const known = await rig.metrics.ask("select id from applied_messages where id = any ($1)", [ids]);
  const strike = random.next();
  if (strike < 0.5) {
    await worker.kill();
    await worker.start();
  } else if (strike < 0.7) connection.cut();
  else if (strike < 0.85) {
    await rig.events.kill();
    await rig.events.start();
  } else {
    await rig.metrics.kill();
    connection.cut();
    await rig.metrics.start();
  }
  worker.links.events.heal();
  return known.length > 0 ? "hit" : "missed";
}

/** The server commits and nobody is told: the answer to a commit, of the intake, a worker or a projector, gets lost. */
async function lostCommitAnswer({ rig, random }: Scene): Promise<"hit" | "missed"> {
  let hits = 0;
  for (let times = 3; times > 0; times -= 1) {
    const running = pick(random, [...rig.running, ...rig.servers]);
    const link = running.command === "work" && random.chance(0.5) ? running.links.metrics : running.links.events;
    if ((await moment(link, "commit", { verdict: "cut after", only: isCommit })) !== null) hits += 1;
  }
  return hits > 0 ? "hit" : "missed";
}

/**
 * A process stops in the middle of a batch, the server ends its silent transactions (here at once, where the program's own
 * limit is a minute), others take the work, and it wakes up with everything still in its memory.
 */
async function frozenWorker({ rig, random }: Scene): Promise<"hit" | "missed"> {
  const worker = pick(random, rig.running);
  const [struck, statement] = random.chance(0.5)
    ? ([worker.links.events, pick(random, [...BATCH_STATEMENTS, "outbox.remove"])] as const)
    : ([worker.links.metrics, pick(random, ["projector.remember_applied", "commit"])] as const);
  // Frozen before the statement arrives: what the kernel has taken may still go out.
  const connection = await moment(struck, statement, { verdict: random.chance(0.5) ? "hold" : "pass" });
  worker.freeze();
  const before = new Set(await rig.waiting());
  const metricsFirst = random.chance(0.5);
  const databases = metricsFirst ? (["metrics", "events"] as const) : (["events", "metrics"] as const);
  const pauseMs = random.between(0, 200);
  const isTaken = async (): Promise<boolean> => {
    // Over and over: a statement that still ran when the process froze leaves its transaction idle only when it is done.
    for (const database of databases) {
      await rig[database].endSessions(worker.links[database].serverSidePorts);
      await pause(pauseMs);
    }
    return (await rig.waiting()).every((id) => !before.has(id));
  };
  const what = "another worker to take the frozen one's work";
  const taken = await waitFor(isTaken, { what, deadlineMs: MOMENT_MS }).catch(() => false);
  worker.thaw();
  for (const link of Object.values(worker.links) as Proxy[]) link.heal();
  return connection !== null && taken ? "hit" : "missed";
}
