import { Client } from "pg";
import { messageOf } from "../errors.js";

const CONNECT_TIMEOUT_MS = 10_000;

/** Why a database cannot be connected to, for the operator; null where it can. */
export async function whyUnreachable(url: string): Promise<string | null> {
  let client: Client | undefined;
  try {
    // Reads the files of certificates that the URL names.
    client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
    client.on("error", () => undefined);
    await client.connect();
    return null;
  } catch (error) {
    // A name with several addresses fails with one error for each, and no words of its own.
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
    return messageOf(first);
  } finally {
    await client?.end().catch(() => undefined);
  }
}
