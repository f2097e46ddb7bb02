import { Arg, Ctx, Mutation, Resolver } from "type-graphql";
import { LANES } from "../../events/outbox.js";
import { encodeGlobalId } from "../../ids.js";
import { DEAD_REASONS } from "../../ingest/dead-letters/dead-reason.js";
import type { IntakeAnswer } from "../../ingest/inbox-writer.js";
import { findReceipt, type Receipt } from "../../ingest/receipts.js";
import type { RequestContext, TenantContext } from "../context.js";
import { IngestReceiptType, RecordEventsInput, RecordEventsPayload } from "../types/event-input-type.js";

export function receiptOf(receipt: Receipt): IngestReceiptType {
  const { id, reason: reasonCode } = receipt;
  return Object.assign(new IngestReceiptType(), receipt, {
    id: encodeGlobalId("IngestReceipt", id),
    reasonCode,
    reason: reasonCode === null ? null : DEAD_REASONS[reasonCode],
  });
}

@Resolver()
export class IngestResolver {
  @Mutation(() => RecordEventsPayload, {
    description:
      "Records events. Each is judged by itself: the good are accepted and durable before the answer, the others returned by index. While too many events wait to be recorded the call is refused with OVERLOADED and retryAfter, in seconds, and nothing of it is recorded. Needs the scope WRITE_EVENTS.",
  })
  async recordEvents(
    @Arg("input", () => RecordEventsInput, { description: "The events." }) input: RecordEventsInput,
    @Ctx() context: RequestContext,
  ): Promise<RecordEventsPayload> {
    return recordEvents(input, context);
  }
}

export interface RecordEventsArgs {
  readonly input: RecordEventsInput;
}

/** What the mutation does; the events need be no instances of their class. `isAlone`: nothing else in the operation has this input. */
export async function recordEvents(
  input: RecordEventsInput,
  context: RequestContext,
  { isAlone = false }: { readonly isAlone?: boolean } = {},
): Promise<RecordEventsPayload> {
  const tenant = context.require("WRITE_EVENTS");
  const answer = await tenant.services.intake.accept({
    tenantId: tenant.tenantId,
    lane: LANES.LIVE,
    events: input.events,
    idempotencyKey: input.idempotencyKey ?? null,
    onJudged: () => {
      // Who holds the call's variables while it waits holds no events, which would be old by the time they are garbage. How many they
      // were is asked for once more, for the price.
      if (isAlone) (input.events as unknown[]).fill(null);
    },
    onStored: (count) => {
      if (tenant.principal.kind === "API_KEY") tenant.services.keyTallies.countEvents(tenant.principal, count);
    },
  });
  return {
    receipt: await receiptOfAnswer(tenant, answer),
    acceptedCount: answer.acceptedCount,
    refused: [...answer.refused],
  };
}

/** A call just accepted waits; one answered again by its idempotency key may have come further. */
async function receiptOfAnswer(tenant: TenantContext, answer: IntakeAnswer): Promise<IngestReceiptType | null> {
  const { receiptId: id, acceptedAt } = answer;
  if (id === null) return null;
  const isRepeated = acceptedAt < tenant.now;
  const found = isRepeated ? await findReceipt(tenant.events, tenant.tenantId, id) : null;
  const queued = { appliedAt: null, recordedCount: 0, duplicateCount: 0, reason: null } as const;
  return receiptOf(found ?? { id, status: "QUEUED", acceptedAt, ...queued });
}
