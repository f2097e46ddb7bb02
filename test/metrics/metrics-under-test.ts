import { afterAll, beforeAll } from "vitest";
import { Pool } from "../../src/database/pool.js";
import type { DatabaseName } from "../../src/database/database-name.js";
import type { CampaignId, TenantId } from "../../src/ids.js";
import { uuidv7 } from "../../src/ids.js";
import { createLogger } from "../../src/observability/logger.js";
import { type Basis, type Measure, MEASURES } from "../../src/rollups/measures.js";
import { RollupChanges } from "../../src/rollups/rollup-changes.js";
import type { RollupPayload } from "../../src/rollups/rollup-message.js";
import { addToRollup } from "../../src/rollups/rollup-tables.js";
import { TenantReads, writeAsWorker } from "../../src/tenancy/transactions.js";
import type { Session } from "../../src/database/pool.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { QUARTER_HOUR_MICROS } from "../../src/time/range.js";
import type { TimeZoneId } from "../../src/time/time-zone.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";

export const newTenant = () => uuidv7() as TenantId;
export const newCampaign = () => uuidv7() as CampaignId;

/** Measures by name, 0 where not named. */
export function measures(named: Partial<Record<Measure, number>>): number[] {
  return MEASURES.map((measure) => named[measure] ?? 0);
}

/** One quarter-hour of a campaign. */
export interface TestCell {
  readonly campaignId: CampaignId;
  readonly basis?: Basis;
  readonly at: EpochMicros;
  readonly measures: readonly number[];
  readonly revenue?: Readonly<Record<string, string>>;
}

/** Databases for a test file, with the product's pools and the names of the statements that ran. */
export class MetricsUnderTest {
  databases!: TestDatabases;
  events!: Pool<"events">;
  metrics!: Pool<"metrics">;
  readonly statements: string[] = [];

  /** Reads as the API does for a tenant, and says which statements it took. */
  async read<T, D extends DatabaseName>(
    pool: Pool<D>,
    tenantId: TenantId,
    work: (session: Session<D>) => Promise<T>,
  ): Promise<{ result: T; statements: string[] }> {
    const reads = new TenantReads(pool, tenantId);
    this.statements.length = 0;
    try {
      const result = await work(reads);
      return { result, statements: [...this.statements] };
    } finally {
      await reads.end();
    }
  }

  /** Puts cells into all rollups, as the projector does, with days in this zone. */
  async addCells(
    tenantId: TenantId,
    zone: TimeZoneId,
    cells: readonly TestCell[],
    links: RollupPayload["links"] = [],
  ): Promise<void> {
    const changes = new RollupChanges();
    changes.add(tenantId, [zone], {
      cells: cells.map((cell) => [
        cell.campaignId,
        cell.basis ?? "EVENT",
        Math.floor(cell.at / QUARTER_HOUR_MICROS),
        cell.measures,
        cell.revenue ?? null,
      ]),
      links,
      firstSent: [],
    });
    await writeAsWorker(this.metrics, async (session) => {
      for (const [table, rows] of changes.tables()) await addToRollup(session, table, rows);
    });
  }
}

/** Sets up databases for the test file and takes them away again. */
export function metricsUnderTest(): MetricsUnderTest {
  const subject = new MetricsUnderTest();
  beforeAll(async () => {
    subject.databases = await createTestDatabases();
    const options = {
      maxConnections: 2,
      waitTimeoutMs: 5000,
      preparedStatements: true,
      log: createLogger("warn"),
      onStatement: (name: string) => void subject.statements.push(name),
    };
    subject.events = new Pool({ ...options, database: "events", url: subject.databases.eventsUrl });
    subject.metrics = new Pool({ ...options, database: "metrics", url: subject.databases.metricsUrl });
  });
  afterAll(async () => {
    await subject.events.stop();
    await subject.metrics.stop();
    await subject.databases.drop();
  });
  return subject;
}
