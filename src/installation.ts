import { createHmac } from "node:crypto";
import { ConfigError } from "./config.js";
import type { Pool } from "./database/pool.js";
import { defineStatement } from "./database/statement.js";
import { secretKeyOf } from "./runtime.js";
import type { LoadedSecret } from "./load-secret.js";
import { runAsWorker, writeAsWorker } from "./tenancy/transactions.js";

const findFingerprint = defineStatement<"events", [], { secret_fingerprint: string }>(
  "events",
  "installation.find_fingerprint",
  "select secret_fingerprint from installation",
);

const keepFingerprint = defineStatement<"events", [fingerprint: string], never>(
  "events",
  "installation.keep_fingerprint",
  "insert into installation (secret_fingerprint) values ($1) on conflict (only_row) do nothing",
);

/** Whether some process has worked on this event log before, and so with a secret. */
export async function wasSecretUsed(events: Pool<"events">): Promise<boolean> {
  return (await runAsWorker(events, findFingerprint())).length > 0;
}

/**
 * Makes sure that this process has the secret that the event log's recipients were keyed with; the first one ever decides.
 * Throws ConfigError otherwise: with another secret every recipient would count as a new one, silently.
 */
export async function assertSameSecret(events: Pool<"events">, { text, file }: LoadedSecret): Promise<void> {
  const fingerprint = createHmac("sha256", secretKeyOf(text)).update("fingerprint").digest("hex").slice(0, 32);
  const kept = await writeAsWorker(events, async (session) => {
    await session.run(keepFingerprint(fingerprint));
    return session.run(findFingerprint());
  });
  if (kept[0]?.secret_fingerprint === fingerprint) return;
  const wrong = file === null ? "MAILTALLY_SECRET" : `MAILTALLY_SECRET is not set, and what ${file} holds`;
  throw new ConfigError([
    `${wrong} is not the secret that this event log was made with: its recipients would all count again. ` +
      "Set the one that the other servers have",
  ]);
}
