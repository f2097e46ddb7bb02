import { createSecretKey, type KeyObject } from "node:crypto";
import type { Config } from "./config.js";
import type { Logger } from "./observability/logger.js";
import type { Telemetry } from "./observability/telemetry.js";
import type { DatabaseUrls } from "./open-pools.js";
import { type EpochMicros, instantFromMillis } from "./time/instant.js";

/** What every composition root is given. */
export interface Runtime {
  readonly config: Config;
  readonly urls: DatabaseUrls;
  readonly secret: KeyObject;
  readonly log: Logger;
  readonly telemetry: Telemetry;
}

/** Something that was started. */
export interface Running {
  /** Lets what is in hand finish, within the configured limit, and gives everything back. */
  stop(): Promise<void>;
}

export function secretKeyOf(secret: string): KeyObject {
  return createSecretKey(Buffer.from(secret));
}

export function systemClock(): EpochMicros {
  return instantFromMillis(Date.now());
}
