set local role mailtally_owner;

-- Through when retention has dropped events, or is about to: written before the first partition goes, so that a month of
-- which some tables are gone is told from one that is whole. From then on intake refuses what lies before, so that
-- the ids may be forgotten once nothing waits that was accepted earlier. One row, or none; it never goes back.
create table retention (
  only_row boolean not null default true,
  dropped_before timestamptz not null,
  declared_at timestamptz not null,
  ids_forgotten_before timestamptz,
  constraint retention_pkey primary key (only_row),
  constraint retention_only_row_check check (only_row)
);
grant select on retention to mailtally_api, mailtally_worker;
grant update (ids_forgotten_before) on retention to mailtally_worker;

-- The partitions of the event tables and what they hold: [lower_bound, upper_bound).
create function event_partitions()
  returns table (partition regclass, partition_name name, event_table name, lower_bound timestamptz, upper_bound timestamptz)
  language sql
  stable
  set search_path = pg_catalog, public, pg_temp
  set timezone = 'UTC'
as $$
  select child.oid::regclass, child.relname, parent.relname,
    (regexp_match(pg_get_expr(child.relpartbound, child.oid), $re$FROM \('([^']+)'\)$re$))[1]::timestamptz,
    (regexp_match(pg_get_expr(child.relpartbound, child.oid), $re$TO \('([^']+)'\)$re$))[1]::timestamptz
  from pg_inherits
  join pg_class as child on child.oid = inhrelid
  join pg_class as parent on parent.oid = inhparent
  where parent.relkind = 'p' and parent.relnamespace = 'public'::regnamespace
    and parent.relname in ('sent', 'delivered', 'deferred', 'bounced', 'opened', 'clicked', 'complained', 'unsubscribed',
      'converted', 'rejected')
$$;
revoke execute on function event_partitions() from public;
grant execute on function event_partitions() to mailtally_worker;

-- Says that the partitions that lie wholly before a moment are dropped from now on. Returns through when they are, null where
-- none ever were. The database's own clock guards against a worker's that is ahead: it would drop what is to be kept.
create function declare_events_dropped(before timestamptz, declared_at timestamptz) returns timestamptz
  language plpgsql
  security definer
  set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  last_bound timestamptz;
begin
  if declare_events_dropped.declared_at > now() + interval '1 hour' then
    raise exception 'the clock that says % is ahead of the database''s', declare_events_dropped.declared_at;
  end if;
  if declare_events_dropped.before > now() - interval '1 hour' then
    raise exception 'events may be dropped that are over, not those before %', declare_events_dropped.before;
  end if;
  select max(upper_bound) into last_bound from event_partitions() where upper_bound <= declare_events_dropped.before;
  if last_bound is not null then
    insert into retention (dropped_before, declared_at) values (last_bound, declare_events_dropped.declared_at)
    on conflict (only_row) do update set dropped_before = excluded.dropped_before, declared_at = excluded.declared_at
      where retention.dropped_before < excluded.dropped_before;
  end if;
  return (select dropped_before from retention);
end
$$;
revoke execute on function declare_events_dropped(timestamptz, timestamptz) from public;
grant execute on function declare_events_dropped(timestamptz, timestamptz) to mailtally_worker;

-- Drops one partition that was declared. DROPPED, GONE (another one was faster), or BUSY: whoever reads or writes its parent
-- now would have to end first. Waiting for the parent makes everybody who comes later wait as well, so it waits for
-- a fifth of a second and gives up. Only one caller tries at a time.
create function drop_event_partition(name text) returns text
  language plpgsql
  security definer
  set search_path = public, pg_temp
  set lock_timeout = '200ms'
as $$
declare
  expired regclass;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('mailtally.event_partitions', 0)) then
    return 'BUSY';
  end if;
  select partition into expired
  from event_partitions()
  where partition_name = name and upper_bound <= (select dropped_before from retention);
  if expired is null then
    return 'GONE';
  end if;
  begin
    execute format('drop table %s', expired);
  exception when lock_not_available or deadlock_detected then
    return 'BUSY';
  end;
  return 'DROPPED';
end
$$;
revoke execute on function drop_event_partition(text) from public;
grant execute on function drop_event_partition(text) to mailtally_worker;
