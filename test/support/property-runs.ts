/** How often each law of the product is tried: 1,000 times, or as often as PROPERTY_RUNS says. A failure prints its seed. */
export const PROPERTY_RUNS = Math.max(1, Number(process.env["PROPERTY_RUNS"] ?? 1_000));

/** What a law may take; one run may cost so many times what the cheapest do. */
export const PROPERTY_TIMEOUT_MS = 60_000 * Math.max(1, PROPERTY_RUNS / 1_000);
