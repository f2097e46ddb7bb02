/** What a payer may spend: `maximum` at once, and `restoreRate` points a second after that. */
export interface Budget {
  readonly maximum: number;
  readonly restoreRate: number;
}

/** What of a budget was left at some moment. It may be below zero: what was spent without asking is paid back first. */
export interface Bucket {
  readonly available: number;
  /** Milliseconds on the clock of whoever keeps it. */
  readonly at: number;
}

/** What is left now. A clock that went back restores nothing. */
export function restored({ available, at }: Bucket, now: number, { maximum, restoreRate }: Budget): number {
  const seconds = Math.max(0, now - at) / 1000;
  return Math.min(maximum, available + seconds * restoreRate);
}

/** Whole seconds until the price can be paid, 1 at least. */
export function secondsUntil(price: number, available: number, { restoreRate }: Budget): number {
  return Math.max(1, Math.ceil((price - available) / restoreRate));
}
