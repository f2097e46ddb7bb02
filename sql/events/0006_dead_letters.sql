set local role mailtally_owner;

-- Rows that failed wait for their next try in lanes of their own (2: live, 3: bulk), so that a claim of fresh rows never
-- meets one, and a program that knows two lanes leaves them alone.
alter table inbox
  add column attempts smallint not null default 0,
  add column not_before timestamptz,
  add column first_failed_at timestamptz,
  drop constraint inbox_lane_check,
  add constraint inbox_lane_check check (lane in (0, 1, 2, 3)),
  add constraint inbox_not_before_check check ((lane in (2, 3)) = (not_before is not null));

-- What a client may be told of why an event could not be recorded; the error beside it is the operator's.
create type dead_reason as enum ('UNREADABLE', 'INVALID_VALUE', 'CONSTRAINT', 'TOO_LARGE', 'INTERNAL');

-- A letter that was given up stays for as long as its receipt does, without its event: the receipt says so.
alter table dead_letters
  add column lane smallint not null default 0,
  add column attempts smallint not null default 1,
  add column first_failed_at timestamptz,
  add column reason dead_reason not null default 'INTERNAL',
  add column sqlstate text,
  add column constraint_name text,
  add column table_name text,
  add column statement text,
  add column discarded_at timestamptz,
  add constraint dead_letters_lane_check check (lane in (0, 1));

-- Replaying takes a letter out; discarding empties it. Nothing else of a letter can be changed by the API.
grant delete, update (discarded_at, payload, error) on dead_letters to mailtally_api;
