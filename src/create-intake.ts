import { CampaignIdentities } from "./campaigns/campaign-identities.js";
import { CampaignStore } from "./campaigns/campaign-store.js";
import { RecipientKeys } from "./events/event-key.js";
import { Backpressure } from "./ingest/backpressure/backpressure.js";
import { RetentionFloor } from "./events/retention-floor.js";
import { InboxWriter } from "./ingest/inbox-writer.js";
import { Intake } from "./ingest/intake.js";
import type { TenantId } from "./ids.js";
import type { Pools } from "./open-pools.js";
import { type Runtime, systemClock } from "./runtime.js";

interface IntakeHooks {
  readonly onAccepted?: ((count: number) => void) | undefined;
  /** Told when a change of a campaign has committed. */
  readonly onCampaignChanged?: ((tenantId: TenantId) => void) | undefined;
}

/** What takes events and campaigns in, wired the same way for requests, imports and the demo. */
export function createIntake(
  runtime: Runtime,
  { events, metrics }: Pools,
  { onAccepted, onCampaignChanged }: IntakeHooks = {},
) {
  const { config, secret, telemetry, log } = runtime;
  const now = systemClock;
  const identities = new CampaignIdentities(events, now);
  const recipientKeys = new RecipientKeys(secret);
  const inbox = new InboxWriter(events, {
    waitTimeoutMs: config.databases.waitTimeoutMs,
    maxWaitingChars: config.databases.insertQueueChars,
  });
  const intake = new Intake({
    campaigns: identities,
    inbox,
    recipientKeys,
    floor: new RetentionFloor(events),
    limits: config.limits,
    storeAddresses: config.storeAddresses,
    now,
    backpressure: new Backpressure({ events, marks: config.waiting, now, log }),
    onOverload: (overload) => telemetry.refusedCall(overload),
    onAccepted: (count) => {
      telemetry.acceptedEvents(count);
      onAccepted?.(count);
    },
  });
  const campaigns = new CampaignStore({ events, metrics, identities, now, onChanged: onCampaignChanged });
  return { intake, inbox, campaigns, recipientKeys };
}
