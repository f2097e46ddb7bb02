/** The closed set of what a client may be told of why an event could not be recorded. Nothing of the database is in it. */
export const DEAD_REASONS = {
  UNREADABLE: "What was accepted can no longer be read as events.",
  INVALID_VALUE: "A value of the event cannot be stored.",
  CONSTRAINT: "The event contradicts a rule that stored events must keep.",
  TOO_LARGE: "The event is larger than can be stored.",
  INTERNAL: "The event met a fault of ours.",
  DISCARDED: "An event that could not be recorded was given up by an operator; it does not count.",
} as const;

/** Why a call is DEAD. */
export type ReceiptReason = keyof typeof DEAD_REASONS;
/** Why one event is a dead letter. PostgreSQL's enum `dead_reason` names the same. */
export type DeadReason = Exclude<ReceiptReason, "DISCARDED">;
