/**
 * PostgreSQL's own arithmetic in time zones, for tests that hold the program's against it. It brings time zone data of its own,
 * which may be of another year (docs/decisions/0009): from where the two differ on a zone nothing can be compared.
 */
import { Client, type QueryResultRow } from "pg";
import { afterAll, beforeAll, inject } from "vitest";
import type { EpochMicros } from "../../src/time/instant.js";
import type { TimeZoneId } from "../../src/time/time-zone.js";
import { offsetStretchAt } from "../../src/time/zone-offsets.js";
import { at, ODD_ZONES, SAMPLED_ZONES, zoneOf } from "./times.js";

/** Zones that a day is odd in, and some of all others. */
export const COMPARED_ZONES = [
  ...new Set([...ODD_ZONES, ...["Atlantic/Azores", "Asia/Amman", "Europe/Lisbon"].map(zoneOf), ...SAMPLED_ZONES]),
];

export const FIRST = at("2000-01-01T00:00:00Z");
export const END = at("2036-01-01T00:00:00Z");

/** Every change of a zone's clock that the program knows of, from 2000 to 2035. */
export function transitionsOf(zone: TimeZoneId): EpochMicros[] {
  const transitions: EpochMicros[] = [];
  for (
    let stretch = offsetStretchAt(FIRST, zone);
    stretch.until < END;
    stretch = offsetStretchAt(stretch.until, zone)
  ) {
    transitions.push(stretch.until as EpochMicros);
  }
  return transitions;
}

interface PostgresZones {
  query<Row extends QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]>;
  /** The first instant at which PostgreSQL and the program believe different things of a zone's clock. */
  readonly differsFrom: ReadonlyMap<TimeZoneId, EpochMicros>;
}

/** An instant in SQL, of a bind of microseconds. */
export const instantOf = (bind: string) => `(timestamptz 'epoch' + (${bind})::bigint * interval '1 microsecond')`;
/** Microseconds in SQL, of a timestamptz. They come as text: `Number` reads them. */
export const microsOf = (instant: string) => `((extract(epoch from ${instant}) * 1000000)::bigint)`;

const DAY = 86_400e6;

/** Connects for the calling file. Filled before its first test. */
export function providePostgresZones(): PostgresZones {
  let client: Client;
  const query = async <Row extends QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> =>
    (await client.query<Row>(text, [...values])).rows;
  const differsFrom = new Map<TimeZoneId, EpochMicros>();
  beforeAll(async () => {
    client = new Client({ connectionString: inject("postgresUrl") });
    await client.connect();
    await client.query("set timezone = 'UTC'");
    const samples = Array.from({ length: (END - FIRST) / (10 * DAY) }, (_, index) => FIRST + index * 10 * DAY);
    for (const zone of COMPARED_ZONES) {
      const instants = [...samples, ...transitionsOf(zone).flatMap((instant) => [instant - 1, instant])].toSorted(
        (a, b) => a - b,
      );
      const rows = await query<{ micros: string }>(
        `select ${microsOf("(instant at time zone $2) at time zone 'UTC'")} as micros
         from unnest($1::bigint[]) with ordinality as given (micros, position),
           lateral (select ${instantOf("given.micros")} as instant) as moment
         order by position`,
        [instants, zone],
      );
      const different = instants.find(
        (instant, index) => instant + offsetStretchAt(instant, zone).offset !== Number(rows[index]?.micros),
      );
      // Between two samples the clocks may have parted already.
      differsFrom.set(zone, (different === undefined ? END : different - 10 * DAY) as EpochMicros);
    }
  });
  afterAll(() => client.end());
  return { query, differsFrom };
}
