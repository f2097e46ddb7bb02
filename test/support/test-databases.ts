import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { inject } from "vitest";
import { waitFor } from "./wait-for.js";

export interface TestDatabases {
  readonly eventsUrl: string;
  readonly metricsUrl: string;
  /** Disconnects whoever is left and removes both. */
  drop(): Promise<void>;
}

/** The names of the migrated databases that every test's own are copied from. Nothing may stay connected to them. */
export const TEMPLATES = { events: "template_events", metrics: "template_metrics" } as const;

/** Two fresh databases, migrated, for one test file (or one test). The role of the URLs owns them. */
export function createTestDatabases(): Promise<TestDatabases> {
  // The other strategy writes every page to the log: 10 times slower where files lie in memory.
  return createDatabases((database) => `template ${TEMPLATES[database]} strategy file_copy`);
}

/** Two fresh databases in which no migration ran yet. */
export function createEmptyDatabases(): Promise<TestDatabases> {
  return createDatabases(() => "");
}

async function createDatabases(options: (database: keyof typeof TEMPLATES) => string): Promise<TestDatabases> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  const databases = { events: `${name}_events`, metrics: `${name}_metrics` };
  await onMaintenanceDatabase(async (client) => {
    await client.query(`create database ${databases.events} ${options("events")}`);
    await client.query(`create database ${databases.metrics} ${options("metrics")}`);
  });
  return {
    eventsUrl: urlOf(databases.events),
    metricsUrl: urlOf(databases.metrics),
    drop: () =>
      onMaintenanceDatabase(async (client) => {
        await dropDatabase(client, databases.events);
        await dropDatabase(client, databases.metrics);
      }),
  };
}

/**
 * Disconnects whoever is left and removes the database. An autovacuum worker that is at it just then belongs to the
 * superuser and cannot be disconnected: it is waited for.
 */
export function dropDatabase(client: Client, name: string): Promise<unknown> {
  return waitFor(() => client.query(`drop database if exists ${name} with (force)`), { what: `${name} to be dropped` });
}

async function onMaintenanceDatabase(work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: urlOf("postgres") });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function urlOf(database: string): string {
  const url = new URL(inject("postgresUrl"));
  url.pathname = `/${database}`;
  return url.href;
}
