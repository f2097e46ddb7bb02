import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { pino } from "pino";
import { createApiKey, type IssuedApiKey, type NewApiKey, type Rotation } from "../../src/access/api-keys.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import type { ApiKeyId } from "../../src/ids.js";
import { writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { createTenant, type Tenant } from "../../src/tenancy/tenants.js";
import { type EpochMicros, instantFromMillis } from "../../src/time/instant.js";

export const silent = pino({ level: "silent" });
export const START = instantFromMillis(Date.UTC(2026, 10, 20, 12));

/** A clock that stands until it is moved. */
export class TestClock {
  now: EpochMicros = START;
  readonly read = (): EpochMicros => this.now;

  advance(ms: number): void {
    this.now = (this.now + ms * 1000) as EpochMicros;
  }
}

export interface StatementCount {
  (): number;
}

/** A pool of the metrics database, and how many statements it was sent. */
export function metricsPool(url: string): { pool: Pool<"metrics">; statements: StatementCount } {
  let count = 0;
  const pool = new Pool({
    database: "metrics",
    url,
    maxConnections: 8,
    waitTimeoutMs: 5_000,
    preparedStatements: true,
    log: silent,
    onStatement: () => count++,
  });
  return { pool, statements: () => count };
}

let tenants = 0;

export function newTenant(pool: Pool<"metrics">): Promise<Tenant> {
  tenants++;
  return createTenant(pool, { slug: `tenant-${tenants}`, timeZone: "Europe/Berlin" }, START);
}

export function issueKey(
  pool: Pool<"metrics">,
  tenant: Tenant,
  key: Partial<NewApiKey> = {},
  now: EpochMicros = START,
): Promise<IssuedApiKey> {
  return writeAsTenant(pool, tenant.id, (session) =>
    createApiKey(
      session,
      tenant.id,
      { name: "a key", scopes: ["READ_METRICS"], expiresAt: null, ...key },
      OPERATOR,
      now,
    ),
  );
}

/** A rotation of the key that leaves its secret of now some time; by default none. */
export function rotationOf(id: ApiKeyId, overlapSeconds = 0): Rotation {
  return { id, overlapSeconds, maxOverlapSeconds: 86_400 };
}

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
let forged = 0;

/** A secret as somebody would forge it who knows the prefix and the form, checksum and all. */
export function forgedSecret(prefix: string): string {
  const body = `mt_${prefix}_${String(++forged).padStart(43, "f")}`;
  let rest = crc32(body);
  let checksum = "";
  for (let digit = 0; digit < 6; digit++, rest = Math.floor(rest / 62)) checksum = BASE62.charAt(rest % 62) + checksum;
  return body + checksum;
}

const overwrite = defineStatement<"metrics", [id: string, prefix: string, Buffer], never>(
  "metrics",
  "test.overwrite_secret",
  "update api_keys set prefix = $2, secret_hash = $3 where id = $1",
);

/** Gives a key another secret behind everybody's back. */
export async function overwriteSecret(pool: Pool<"metrics">, keyId: string, secret: string): Promise<void> {
  const hash = createHash("sha256").update(secret).digest();
  await writeAsWorker(pool, (session) => session.run(overwrite(keyId, secret.slice(3, 11), hash)));
}
