/** `extensions.cost` of an answer. */
export type Cost = {
  readonly requested: number;
  readonly actual: number;
  /** Null where nobody is throttled. */
  readonly throttle: { readonly maximum: number; readonly available: number } | null;
};

/** What an answer tells of its cost; null where it tells nothing that can be shown. */
export function costOf(extensions: unknown): Cost | null {
  if (typeof extensions !== "object" || extensions === null || !("cost" in extensions)) return null;
  const { cost } = extensions as { readonly cost?: Partial<Cost> | null };
  if (typeof cost?.requested !== "number" || typeof cost.actual !== "number") return null;
  return { requested: cost.requested, actual: cost.actual, throttle: cost.throttle ?? null };
}

const count = new Intl.NumberFormat("en-US");

/** Such as "Cost 161 of 196 points; 99,839 of 100,000 left". */
function tellCost({ requested, actual, throttle }: Cost): string {
  const spent = `Cost ${count.format(actual)} of ${count.format(requested)} points`;
  if (throttle === null) return spent;
  return `${spent}; ${count.format(throttle.available)} of ${count.format(throttle.maximum)} left`;
}

/** The line in the bar that tells what the last answer cost. */
export function startCostLine(): { show(cost: Cost | null): void } {
  const line = document.querySelector("#cost");
  if (!(line instanceof HTMLElement)) throw new Error("The page has no #cost");
  return {
    show(cost) {
      line.textContent = cost === null ? "" : tellCost(cost);
    },
  };
}
