/** The event log, and the pre-computed metrics with the control tables. On one server or on two; no query joins them. */
export const DATABASE_NAMES = ["events", "metrics"] as const;
export type DatabaseName = (typeof DATABASE_NAMES)[number];
