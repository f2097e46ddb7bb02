/**
 * Reads what rows of the inbox and dead letters hold, a little at a time. A row may be a whole call of megabytes, and a tenant may have
 * hundreds of them: whoever needs more than one finds out first where they are. Between two portions the process does
 * other things.
 */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { TenantId } from "../../ids.js";

/** Where a payload is. */
export interface PayloadPlace {
  /** Of the inbox, as in the table; null for a dead letter. */
  readonly lane: number | null;
  readonly id: string;
  readonly event_count: number;
}

interface PlacedPayload {
  readonly format: number;
  readonly payload: string;
}

/** Some 2 MB where each is as big as events may be. One row at the least, which may hold more. */
const EVENTS_AT_A_TIME = 100;

const read = defineStatement<
  "events",
  [TenantId, lanes: readonly (number | null)[], ids: readonly string[]],
  PlacedPayload & { readonly number: number }
>(
  "events",
  "inbox.read_payloads",
  `select place.number, row.format, row.payload::text as payload
   from unnest($2::smallint[], $3::text[]) with ordinality as place (lane, id, number)
   join lateral (
     select format, payload from inbox
     where lane = place.lane and tenant_id = $1 and id = (case when place.lane is not null then place.id end)::bigint
     union all
     select format, payload from dead_letters
     where tenant_id = $1 and id = (case when place.lane is null then place.id end)::uuid
   ) as row on true
   order by place.number`,
);

/** Rows in the order of their places; those that are gone meanwhile are left out. */
export async function* readPayloads<Place extends PayloadPlace>(
  session: Session<"events">,
  tenantId: TenantId,
  places: readonly Place[],
): AsyncGenerator<Place & PlacedPayload> {
  for (const some of portionsOf(places)) {
    const statement = read(
      tenantId,
      some.map(({ lane }) => lane),
      some.map(({ id }) => id),
    );
    for (const { number, format, payload } of await session.run(statement)) {
      const place = some[number - 1];
      if (place !== undefined) yield { ...place, format, payload };
    }
  }
}

function* portionsOf<Place extends PayloadPlace>(places: readonly Place[]): Generator<readonly Place[]> {
  let portion: Place[] = [];
  let events = 0;
  for (const place of places) {
    if (portion.length > 0 && events + place.event_count > EVENTS_AT_A_TIME) {
      yield portion;
      [portion, events] = [[], 0];
    }
    portion.push(place);
    events += place.event_count;
  }
  if (portion.length > 0) yield portion;
}
