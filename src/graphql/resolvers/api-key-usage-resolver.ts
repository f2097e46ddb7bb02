import { Args, Ctx, FieldResolver, Resolver, Root } from "type-graphql";
import type { DaySpan, KeyCounts } from "../../access/key-days.js";
import { PublicError } from "../../errors.js";
import { type ApiKeyId, uuidOfGlobalId } from "../../ids.js";
import { END_OF_TIME, type EpochMicros, MICROS_PER_DAY } from "../../time/instant.js";
import type { TimeRange } from "../../time/range.js";
import { checkedRange } from "../checked-range.js";
import type { RequestContext } from "../context.js";
import { ApiKeyType } from "../types/api-key-type.js";
import { ApiKeyUsageArgs, ApiKeyUsageType } from "../types/api-key-usage-type.js";

const DEFAULT_DAYS = 30;
const MAX_DAYS = 400;
/** The last day whose end a date-time can name. */
const LAST_DAY = END_OF_TIME / MICROS_PER_DAY - 2;
const NOTHING: KeyCounts = { requests: 0, events: 0, cost: 0 };

/** The days that the range touches. Throws BAD_INPUT at `range`. */
function daysOf(range: TimeRange): DaySpan {
  const { from, to } = checkedRange(range, ["range"]);
  const span = {
    from: Math.min(Math.floor(from / MICROS_PER_DAY), LAST_DAY),
    to: Math.min(Math.ceil(to / MICROS_PER_DAY), LAST_DAY + 1),
  };
  if (span.to - span.from <= MAX_DAYS) return span;
  throw new PublicError("BAD_INPUT", `Usage is told of at most ${MAX_DAYS} days at a time.`, { field: ["range"] });
}

function lastDays(now: EpochMicros): DaySpan {
  const tomorrow = Math.floor(now / MICROS_PER_DAY) + 1;
  return { from: tomorrow - DEFAULT_DAYS, to: tomorrow };
}

const startOf = (day: number): EpochMicros => (day * MICROS_PER_DAY) as EpochMicros;

@Resolver(() => ApiKeyType)
export class ApiKeyUsageResolver {
  @FieldResolver(() => ApiKeyUsageType, {
    description: "What was done with the key, by day. Needs the scope MANAGE_KEYS.",
  })
  async usage(
    @Root() { id }: ApiKeyType,
    @Args(() => ApiKeyUsageArgs) { range }: ApiKeyUsageArgs,
    @Ctx() context: RequestContext,
  ): Promise<ApiKeyUsageType> {
    const { loaders, now } = context.require("MANAGE_KEYS");
    const keyId = uuidOfGlobalId("ApiKey", id);
    if (keyId === null) throw new Error("An API key that was read has an id");
    const span = range === undefined || range === null ? lastDays(now) : daysOf(range);
    const counted = await loaders.apiKeyDays.load({ keyId: keyId as ApiKeyId, span });
    const days = Array.from({ length: span.to - span.from }, (_, index) => {
      const day = span.from + index;
      return { start: startOf(day), ...(counted.get(day) ?? NOTHING) };
    });
    const sumOf = (name: keyof KeyCounts) => days.reduce((sum, day) => sum + day[name], 0);
    const [from, to] = [startOf(span.from), startOf(span.to)];
    return { from, to, requests: sumOf("requests"), events: sumOf("events"), cost: sumOf("cost"), days };
  }
}
