/**
 * What each payer may still spend. A server takes small prices from its own account of a payer, and settles with the bucket
 * that all share in Redis five times a second: a request that waits for nothing else must not wait for Redis. Whatever would
 * bring the unsettled part past a twentieth of the budget is asked for in Redis first. So n servers together let a payer spend
 * at most n twentieths more than there is, once: it comes off the shared bucket, and is paid back before anything else is spent.
 *
 * That holds for calls at once as for calls one after another: a price is off the account before Redis is asked, and what is
 * on its way there counts as unsettled until the answer is here. Else each call would see what all the others see as well.
 *
 * Without Redis, or while it is away, each server's accounts are all there is: a payer may spend as much at each.
 */
import type { RedisLayer } from "../../cache/redis-layer.js";
import { type Bucket, type Budget, restored } from "./bucket.js";
import { settleShared } from "./shared-bucket.js";

export interface BudgetsOptions {
  readonly budget: Budget;
  readonly redis: RedisLayer | null;
  readonly settleIntervalMs?: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
}

interface Taken {
  readonly isGranted: boolean;
  readonly available: number;
}

interface Account extends Bucket {
  available: number;
  at: number;
  /** Spent here, and not yet told to the shared bucket; below zero where more was given back. */
  unsettled: number;
  /** Told or asked for there, and not yet answered. What is being given back is not among it: others may spend it already. */
  underWay: number;
  /** Whether it was used since it was settled last. */
  isUsed: boolean;
}

const UNSETTLED_SHARE = 1 / 20;
const DEFAULT_SETTLE_INTERVAL_MS = 200;

export class Budgets {
  readonly budget: Budget;
  readonly #redis: RedisLayer | null;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  /** As many as there are keys and users that asked lately: nobody pays who was not let in. */
  readonly #accounts = new Map<string, Account>();

  constructor({ budget, redis, settleIntervalMs, now }: BudgetsOptions) {
    this.budget = budget;
    this.#redis = redis;
    this.#now = now ?? (() => performance.now());
    this.#timer = setInterval(() => void this.settle(), settleIntervalMs ?? DEFAULT_SETTLE_INTERVAL_MS).unref();
  }

  /** Takes the price where it is there; else nothing. Never rejects. */
  async take(payer: string, price: number): Promise<Taken> {
    const account = this.#accountOf(payer);
    // A refused flood asks nobody either; within a settlement it learns what others gave back.
    if (account.available < price) return { isGranted: false, available: account.available };
    const unsettled = account.unsettled + account.underWay;
    const mustAsk = unsettled + price > this.budget.maximum * UNSETTLED_SHARE;
    this.#spend(account, price);
    if (this.#redis === null || !mustAsk) return { isGranted: true, available: account.available };
    account.unsettled -= price;
    const answer = await this.#settleOne(this.#redis, payer, account, price);
    // Where Redis does not say, the account does, after all that has come off it meanwhile.
    const isGranted = answer ?? account.available >= 0;
    if (answer === null && !isGranted) this.#spend(account, -price);
    return { isGranted, available: account.available };
  }

  /** Takes off what was spent, whether or not it is there; below zero gives it back. What is left then. */
  spend(payer: string, points: number): number {
    const account = this.#accountOf(payer);
    this.#spend(account, points);
    return account.available;
  }

  /** Tells the shared bucket what was spent, and learns what is left. Never rejects. */
  async settle(): Promise<void> {
    const settlements: Promise<unknown>[] = [];
    for (const [payer, account] of this.#accounts) {
      if (account.isUsed && this.#redis !== null) {
        account.isUsed = false;
        settlements.push(this.#settleOne(this.#redis, payer, account, 0));
      } else if (account.underWay === 0 && restored(account, this.#now(), this.budget) >= this.budget.maximum) {
        this.#accounts.delete(payer);
      }
    }
    await Promise.all(settlements);
  }

  /** Settles for the last time. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.settle();
  }

  /** As of now. One that is not there is full, or the shared bucket says soon that it is not. */
  #accountOf(payer: string): Account {
    const at = this.#now();
    let account = this.#accounts.get(payer);
    if (account === undefined) {
      account = { available: this.budget.maximum, at, unsettled: 0, underWay: 0, isUsed: true };
      this.#accounts.set(payer, account);
    } else {
      this.#restore(account, at);
      account.isUsed = true;
    }
    return account;
  }

  #restore(account: Account, at: number): void {
    account.available = restored(account, at, this.budget);
    account.at = at;
  }

  #spend(account: Account, points: number): void {
    account.available = Math.min(this.budget.maximum, account.available - points);
    account.unsettled += points;
  }

  /**
   * Tells what is unsettled, and asks for a price that is off the account already. Whether it was granted; null where Redis does
   * not say, and all of it is unsettled then.
   */
  async #settleOne(redis: RedisLayer, payer: string, account: Account, price: number): Promise<boolean | null> {
    this.#restore(account, this.#now());
    // While Redis was away the account was restored as well: what is missing from it is all that it still owes.
    const missing = this.budget.maximum - account.available - account.underWay - price;
    const spent = Math.min(account.unsettled, Math.max(0, missing));
    const underWay = Math.max(0, spent) + price;
    account.unsettled = 0;
    account.underWay += underWay;
    const settled = await settleShared(redis, payer, this.budget, { spent, price });
    account.underWay -= underWay;
    if (settled === null) {
      account.unsettled += spent + price;
      this.#restore(account, this.#now());
      // One that is full owes nothing that it could still tell, and may leave however long Redis is away.
      if (account.available < this.budget.maximum) account.isUsed = true;
      return null;
    }
    // What was spent meanwhile the shared bucket has not heard of.
    account.available = Math.min(this.budget.maximum, settled.available - account.unsettled - account.underWay);
    account.at = this.#now();
    return settled.isGranted;
  }
}
