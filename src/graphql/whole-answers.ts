/**
 * Answers that are given again without being asked for again: what was posted byte by byte as before, by somebody with the
 * same authority, while the tenant's version has not moved. Found before the document is parsed.
 *
 * Only what came before is looked for, so that a call pays nothing for it the first time, and a write or a question to the
 * event log never waits for the metrics database, which knows the version. The first time tells whether the answer may be
 * kept at all (versioned.ts); from the second time on the version is read first, then all that is loaded is at least as new.
 */
import { hash } from "node:crypto";
import type { Principal } from "../access/principal.js";
import type { AnswerCache, WholeAnswer } from "../cache/answer-cache.js";
import { placeOf } from "../cache/cache-key.js";
import { KeptBody } from "../cache/kept-body.js";
import { growingLru } from "../growing-lru.js";
import type { RequestContext } from "./context.js";
import type { JsonPieces } from "./json-text.js";

/** What was posted, and the head that bears on the answer. */
export interface PostedCall {
  readonly accept: string;
  readonly body: Buffer;
}

interface AnswerMade {
  readonly contentType: string;
  /** Without extensions. Taken where it is kept. */
  readonly body: Pick<JsonPieces, "take">;
}

/** What is known of a call before it is executed. */
export interface WholeAnswerPlace {
  /** The answer, where it is kept and has been paid for. */
  readonly found: WholeAnswer | null;
  /** Takes the answer, for the next time. Returns what it may be sent from; null where it must not be kept: then it was not taken. */
  keep(answer: AnswerMade): KeptBody | null;
}

/** Those with more are no dashboard's questions but events. */
const MAX_CALL_BYTES = 20_000;
const MAX_KNOWN_CALLS = 20_000;

export class WholeAnswers {
  readonly #cache: AnswerCache;
  /** Of the program: another one may answer the same document otherwise. */
  readonly #release: string;
  readonly #isLocked: (principal: Principal) => boolean;
  /** Calls, by hash, whose answer may be kept. */
  readonly #repeatable = growingLru<string, true>(MAX_KNOWN_CALLS);

  /** `isLocked`: whether the principal may ask for registered documents alone. */
  constructor(options: {
    readonly cache: AnswerCache;
    readonly release: string;
    readonly isLocked: (principal: Principal) => boolean;
  }) {
    this.#cache = options.cache;
    this.#release = options.release;
    this.#isLocked = options.isLocked;
  }

  async placeOf(context: RequestContext, { accept, body }: PostedCall): Promise<WholeAnswerPlace | null> {
    const { tenant } = context;
    if (tenant === null || body.length > MAX_CALL_BYTES) return null;
    // What somebody else may ask in words of their own is not to be had from here by who may not.
    const lock = this.#isLocked(tenant.principal) ? "locked" : "";
    const call = hash("sha256", Buffer.concat([Buffer.from(`${accept}\0${lock}\0`), body]), "base64");
    const learn = (): null => {
      if (tenant.answerLife.endsAt > 0) this.#repeatable.set(call, true);
      return null;
    };
    if (this.#repeatable.get(call) !== true) return { found: null, keep: learn };
    // Whatever needs the version fails by itself.
    const state = await tenant.state().catch(() => null);
    if (state === null) return null;
    const { tenantId, principal } = tenant;
    const { version } = state;
    const name = "priced_answer";
    const args = [this.#release, call];
    const place = placeOf({ tenantId, version, authority: principal.authority, name, args });
    const kept = await this.#cache.get(place);
    const isPaid = kept !== null && (await tenant.cost.takeKept(kept.requestedCost));
    return {
      // Whoever cannot pay for it is told so where operations are.
      found: isPaid ? kept : null,
      keep: ({ contentType, body: made }) => {
        if (tenant.answerLife.endsAt === 0) return null;
        const bytes = made.take("", 0);
        const keptBody = new KeptBody(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
        const answer = { contentType, body: keptBody, requestedCost: tenant.cost.requested };
        this.#cache.set(place, answer, tenant.answerLife.endsAt);
        return keptBody;
      },
    };
  }
}
