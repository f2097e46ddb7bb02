import { SCOPES } from "../../src/access/scope.js";
import type { TenantId } from "../../src/ids.js";
import { createTenantWithKeys } from "./fill.js";
import type { DatabasePair } from "./scene.js";

export interface BenchTenant {
  readonly id: TenantId;
  readonly slug: string;
  /** Of a request with a key of the tenant. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A tenant in UTC, with a key that may do everything. */
export async function createBenchTenant(databases: DatabasePair, slug: string): Promise<BenchTenant> {
  const { tenantId, keys } = await createTenantWithKeys(databases, { slug, timeZone: "UTC" }, [SCOPES]);
  const [key] = keys;
  if (key === undefined) throw new Error("A tenant was made without its key");
  return { id: tenantId, slug, headers: { authorization: `Bearer ${key}` } };
}
