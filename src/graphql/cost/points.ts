/**
 * The prices, in points. A point is about 10 µs of PostgreSQL's processor time, warm; an object of a list is worth one at least,
 * as it also has to be sent. test/graphql/cost/calibration.test.ts holds prices against measured time: the two rank alike.
 */
export const POINTS = {
  /** Any operation. */
  operation: 1,
  /** A statement. What loaders read for all objects of a list at once is one. */
  statement: 15,
  /** A campaign, an event, a link, …: an object of a page, or one found by its id. */
  row: 1,
  /** A count over all of a list. */
  count: 20,
  /** A row of a rollup: a day or quarter-hour of a campaign, a link or the tenant. */
  rollupRow: 0.1,
  /** A measure of a bucket. */
  bucketMeasure: 0.01,
  /** A point of a series in the answer, whatever is asked of it. */
  seriesPoint: 0.05,
  /** A year in which nothing can lie, of a series by the calendar: where its days begin has to be found out all the same. */
  emptyYear: 40,
  /** A table of events that is looked into for a page: one for each type that is asked for. */
  eventTable: 10,
  /** A change, with its audit entry. */
  change: 50,
  /** A call of recordEvents, and each event: less than they take. What limits them is how many wait (backpressure.ts). */
  recordCall: 1,
  event: 0.01,
  /** The schema about itself. */
  introspection: 5,
} as const;

/** Where a filter names tags, so many campaigns are taken to have them. */
export const CAMPAIGNS_OF_TAGS = 20;
