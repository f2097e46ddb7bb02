/**
 * What a request is charged. Before an operation runs its whole price is taken, and what the answer did not cost is given back
 * after it. Every request costs a point at least, also one that was refused before it had a price: what is wrong with a
 * document was found out by work.
 */
import { type Bucket, secondsUntil } from "../../access/budgets/bucket.js";
import type { Budgets } from "../../access/budgets/budgets.js";
import { payerOf } from "../../access/budgets/payer.js";
import type { KeyTallies } from "../../access/key-tallies.js";
import type { Principal } from "../../access/principal.js";
import { PublicError } from "../../errors.js";
import { POINTS } from "./points.js";

/** Who keeps the accounts. */
export interface Charging {
  /** Null: prices are told, and nobody is throttled. */
  readonly budgets: Budgets | null;
  /** Of one operation; null: none. */
  readonly maxQueryCost: number | null;
  readonly keyTallies: KeyTallies;
  readonly onCost: (points: number) => void;
  readonly onUnpaid: (code: "THROTTLED" | "QUERY_TOO_COSTLY") => void;
}

/** What a client is told. */
export interface ToldCost {
  /** `extensions.cost`, as JSON; null where the request never had a price, since its document could not be executed. */
  readonly extensions: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer that is given again tells what is left rounded down to a thousandth of the budget. */
const KEPT_STEPS = 1_000;
const LEAST: number = POINTS.operation;

export class RequestCost {
  readonly #charging: Charging;
  readonly #principal: Principal;
  #requested: number | null = null;
  /** Null while nothing was taken. */
  #actual: number | null = null;
  #available: Bucket["available"] = 0;
  #retryAfterSeconds: number | undefined;
  #isCounted = false;
  #isKept = false;

  constructor(charging: Charging, principal: Principal) {
    this.#charging = charging;
    this.#principal = principal;
  }

  /** What the operation was priced at. */
  get requested(): number {
    return this.#requested ?? LEAST;
  }

  /**
   * Takes the price; what refuses it, else null. `isDryRun`: takes what any request costs, and refuses no price. A second
   * operation of one request there is not.
   */
  async reserve(price: number, { isDryRun = false } = {}): Promise<PublicError | null> {
    const { maxQueryCost, budgets } = this.#charging;
    this.#requested = price;
    // What can never be there need not be waited for.
    const maximum = Math.min(maxQueryCost ?? Infinity, budgets?.budget.maximum ?? Infinity);
    if (!isDryRun && price > maximum) {
      this.#charging.onUnpaid("QUERY_TOO_COSTLY");
      const message = `The operation costs ${price} points; one may cost ${maximum} at most. Ask for smaller pages, shorter ranges or fewer fields.`;
      return new PublicError("QUERY_TOO_COSTLY", message, { cost: { requested: price, maximum } });
    }
    return this.#take(isDryRun ? LEAST : price);
  }

  /** Takes what an answer costs that is given again; false where not even that is there. */
  async takeKept(requested: number): Promise<boolean> {
    this.#requested = requested;
    this.#isKept = (await this.#take(LEAST)) === null;
    return this.#isKept;
  }

  /** Gives back what was reserved and not spent. */
  settle(actual: number): void {
    const { budgets } = this.#charging;
    const unspent = (this.#actual ?? 0) - actual;
    this.#actual = actual;
    if (budgets !== null && unspent > 0) this.#available = budgets.spend(payerOf(this.#principal), -unspent);
  }

  /** What the request costs in the end. */
  tell(): ToldCost {
    this.finish();
    const { budgets } = this.#charging;
    if (budgets === null) return { extensions: this.#extensions("null"), headers: {} };
    const { maximum, restoreRate } = budgets.budget;
    const available = Math.max(0, Math.floor(this.#available));
    // What is sent again is the same bytes as long as this is the same.
    const step = Math.max(1, Math.floor(maximum / KEPT_STEPS));
    const shown = this.#isKept ? available - (available % step) : available;
    const until = this.#retryAfterSeconds === undefined ? "" : `;t=${this.#retryAfterSeconds}`;
    return {
      extensions: this.#extensions(`{"maximum":${maximum},"available":${shown},"restoreRate":${restoreRate}}`),
      headers: {
        "ratelimit-policy": `"cost";q=${maximum};w=${Math.ceil(maximum / restoreRate)}`,
        ratelimit: `"cost";r=${available}${until}`,
      },
    };
  }

  /** Charges what has cost nothing yet, and counts it for the key. Once; may be called again. */
  finish(): void {
    if (this.#isCounted) return;
    this.#isCounted = true;
    const { budgets, keyTallies, onCost, onUnpaid } = this.#charging;
    const isThrottled = this.#retryAfterSeconds !== undefined;
    if (this.#actual === null) {
      // What is throttled is asked again until it is let in: charged for that, it never would be.
      this.#actual = isThrottled ? 0 : LEAST;
      if (budgets !== null && !isThrottled) this.#available = budgets.spend(payerOf(this.#principal), LEAST);
    }
    onCost(this.#actual);
    if (isThrottled) onUnpaid("THROTTLED");
    if (this.#principal.kind === "API_KEY") keyTallies.countCost(this.#principal, this.#actual);
  }

  #extensions(throttle: string): string | null {
    if (this.#requested === null) return null;
    return `{"cost":{"requested":${this.#requested},"actual":${this.#actual},"throttle":${throttle}}}`;
  }

  async #take(points: number): Promise<PublicError | null> {
    const { budgets } = this.#charging;
    if (budgets !== null) {
      const { isGranted, available } = await budgets.take(payerOf(this.#principal), points);
      this.#available = available;
      if (!isGranted) {
        const retryAfterSeconds = secondsUntil(points, available, budgets.budget);
        this.#retryAfterSeconds = retryAfterSeconds;
        const message = `This costs ${points} points, of which ${Math.max(0, Math.floor(available))} are left; try again in ${retryAfterSeconds} s.`;
        return new PublicError("THROTTLED", message, { retryAfterSeconds });
      }
    }
    this.#retryAfterSeconds = undefined;
    this.#actual = points;
    return null;
  }
}
