/**
 * The measures that a rollup's row holds, in one order everywhere: columns of the tables, positions in a delta.
 * Plain ones count events; unique_ ones count recipients of a campaign, at the first time.
 */
export const EVENT_COUNTS = [
  "sent",
  "delivered",
  "deferred",
  "bounced_hard",
  "bounced_soft",
  "bounced_block",
  "bounced_undetermined",
  "opened",
  "opened_human",
  "clicked",
  "clicked_human",
  "complained",
  "unsubscribed",
  "converted",
  "rejected",
] as const;
export type EventCount = (typeof EVENT_COUNTS)[number];

export const UNIQUE_COUNTS = [
  "unique_sent",
  "unique_delivered",
  "unique_deferred",
  "unique_bounced",
  "unique_hard_bounced",
  "unique_opened",
  "unique_opened_human",
  "unique_clicked",
  "unique_clicked_human",
  "unique_complained",
  "unique_unsubscribed",
  "unique_converted",
  "unique_rejected",
] as const;

export const MEASURES = [...EVENT_COUNTS, ...UNIQUE_COUNTS] as const;
export type Measure = (typeof MEASURES)[number];

/** What the rollups of links hold. */
export const LINK_MEASURES = ["clicked", "clicked_human", "unique_clicked", "unique_clicked_human"] as const;
export type LinkMeasure = (typeof LINK_MEASURES)[number];

export const BASES = ["EVENT", "SEND"] as const;
export type Basis = (typeof BASES)[number];
