import { Client } from "pg";

export interface AppliedEventsOptions {
  readonly metricsUrl: string;
  readonly tenantId: string;
  /** So many events may be accepted and not applied; then the load waits. Without it it never does. */
  readonly maxAhead?: number;
}

const COUNTS = [
  "sent",
  "delivered",
  "deferred",
  "bounced_hard",
  "bounced_soft",
  "bounced_block",
  "bounced_undetermined",
  "opened",
  "clicked",
  "complained",
  "unsubscribed",
  "converted",
  "rejected",
];

/** How many events of a tenant the rollups show. */
export class AppliedEvents {
  readonly #client: Client;
  readonly #tenantId: string;

  private constructor(client: Client, tenantId: string) {
    this.#client = client;
    this.#tenantId = tenantId;
  }

  static async open({ metricsUrl, tenantId }: AppliedEventsOptions): Promise<AppliedEvents> {
    const client = new Client({ connectionString: metricsUrl });
    await client.connect();
    await client.query("set role mailtally_worker");
    return new AppliedEvents(client, tenantId);
  }

  async read(): Promise<number> {
    const { rows } = await this.#client.query<{ count: string }>(
      `select ${COUNTS.join(" + ")} as count from tenant_totals where tenant_id = $1`,
      [this.#tenantId],
    );
    return Number(rows[0]?.count ?? 0);
  }

  close(): Promise<void> {
    return this.#client.end();
  }
}
