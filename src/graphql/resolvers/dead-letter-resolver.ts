import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from "type-graphql";
import { PublicError } from "../../errors.js";
import { type DeadLetterId, encodeGlobalId, type ReceiptId, uuidOfGlobalId } from "../../ids.js";
import { type DeadLetterRow, readDeadEvent } from "../../ingest/dead-letters/dead-letter.js";
import { readDeadLetterPage } from "../../ingest/dead-letters/dead-letter-pages.js";
import { discardDeadLetters, replayDeadLetters } from "../../ingest/dead-letters/dead-letters.js";
import { DEAD_REASONS } from "../../ingest/dead-letters/dead-reason.js";
import { readPageArguments } from "../../pages/page-arguments.js";
import { writeAsTenant } from "../../tenancy/transactions.js";
import { connectionOf } from "../connection.js";
import type { RequestContext } from "../context.js";
import { JsonObjectScalar } from "../scalars.js";
import { type ConnectionOf, PageArgs } from "../types/connection-type.js";
import {
  DeadLetterConnection,
  DeadLetterType,
  DiscardDeadLettersInput,
  DiscardDeadLettersPayload,
  ReplayDeadLettersInput,
  ReplayDeadLettersPayload,
} from "../types/dead-letter-type.js";
import { withUserErrors } from "../user-errors.js";

const NEEDS = "Needs the scope OPERATE.";
const MAX_IDS = 100;

/** What a client may see of a letter: its reason, and not the error, which may tell of the database. */
export function deadLetterOf(row: DeadLetterRow): DeadLetterType {
  const { attempts, eventCount, receivedAt, firstFailedAt, diedAt } = row;
  const { campaignId, ...event } = readDeadEvent(row);
  return Object.assign(new DeadLetterType(), {
    id: encodeGlobalId("DeadLetter", row.id),
    receiptId: encodeGlobalId("IngestReceipt", row.receiptId),
    reasonCode: row.reason,
    reason: DEAD_REASONS[row.reason],
    campaignId: campaignId === null ? null : encodeGlobalId("Campaign", campaignId),
    attempts,
    eventCount,
    receivedAt,
    firstFailedAt,
    diedAt,
    ...event,
  });
}

function letterIdsOf(ids: readonly string[]): DeadLetterId[] {
  const field = ["input", "ids"];
  if (ids.length > MAX_IDS) {
    throw new PublicError("BAD_INPUT", `A call takes at most ${MAX_IDS} ids; this one has ${ids.length}.`, { field });
  }
  // What is no id of a letter is the id of none, as another tenant's is: both are missed in the same place.
  return ids.map((id) => (uuidOfGlobalId("DeadLetter", id) ?? NO_LETTER) as DeadLetterId);
}

/** A UUID that no letter has. */
const NO_LETTER = "ffffffff-ffff-ffff-ffff-ffffffffffff";

@Resolver()
export class DeadLetterResolver {
  @Query(() => DeadLetterConnection, {
    description: `Accepted events that could not be recorded, newest first, by keyset. ${NEEDS}`,
  })
  async deadLetters(
    @Arg("receiptId", () => ID, { nullable: true, description: "Of this receipt's call alone." })
    receiptId: string | null,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: RequestContext,
  ): Promise<ConnectionOf<DeadLetterType>> {
    const { events, tenantId, services } = context.require("OPERATE");
    const ofReceipt =
      receiptId === null || receiptId === undefined ? null : (uuidOfGlobalId("IngestReceipt", receiptId) ?? NO_LETTER);
    const page = readPageArguments(args);
    return connectionOf(
      await readDeadLetterPage(events, tenantId, ofReceipt as ReceiptId | null, page, services.cursors),
      deadLetterOf,
      services.cursors,
    );
  }

  @Mutation(() => ReplayDeadLettersPayload, {
    description: `Tries dead letters again, each event under its old receipt. It counts once, however many replay it. ${NEEDS}`,
  })
  async replayDeadLetters(
    @Arg("input", () => ReplayDeadLettersInput, { description: "Which." }) input: ReplayDeadLettersInput,
    @Ctx() context: RequestContext,
  ): Promise<ReplayDeadLettersPayload> {
    const { services, tenantId } = context.require("OPERATE");
    const { result, userErrors } = await withUserErrors(async () => {
      const ids = letterIdsOf(input.ids);
      return writeAsTenant(services.events, tenantId, (session) => replayDeadLetters(session, tenantId, ids));
    });
    return { replayedCount: result, userErrors };
  }

  @Mutation(() => DiscardDeadLettersPayload, {
    description: `Gives dead letters up: their events are deleted and never count. ${NEEDS}`,
  })
  async discardDeadLetters(
    @Arg("input", () => DiscardDeadLettersInput, { description: "Which." }) input: DiscardDeadLettersInput,
    @Ctx() context: RequestContext,
  ): Promise<DiscardDeadLettersPayload> {
    const { services, tenantId, now } = context.require("OPERATE");
    const { result, userErrors } = await withUserErrors(async () => {
      const ids = letterIdsOf(input.ids);
      return writeAsTenant(services.events, tenantId, (session) => discardDeadLetters(session, tenantId, ids, now));
    });
    return { discardedCount: result, userErrors };
  }
}

@Resolver(() => DeadLetterType)
export class DeadLetterFieldResolver {
  @FieldResolver(() => JsonObjectScalar, {
    nullable: true,
    description:
      "The event as recordEvents takes it, with the recipient's address; null where it cannot be read. Needs the scope READ_EVENTS.",
  })
  event(@Root() letter: DeadLetterType, @Ctx() context: RequestContext): Readonly<Record<string, unknown>> | null {
    context.require("READ_EVENTS");
    return letter.input;
  }
}
