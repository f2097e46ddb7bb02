set local role mailtally_owner;

create type bounce_class as enum ('HARD', 'SOFT', 'BLOCK', 'UNDETERMINED');
create type traffic_verdict as enum ('HUMAN', 'MACHINE', 'UNKNOWN');

-- Ids that count once per tenant: 128 bits of a hash of the event id, the ledger that lets the partitions go without a
-- unique key of their own. The time says until when the event is held.
create table event_ids (
  tenant_id uuid not null,
  id uuid not null,
  occurred_at timestamptz not null,
  constraint event_ids_pkey primary key (tenant_id, id)
);

-- The only place where an address stands. Everything else knows the key: an HMAC under the tenant's secret.
create table recipients (
  tenant_id uuid not null,
  recipient_key uuid not null,
  address text not null,
  constraint recipients_pkey primary key (tenant_id, recipient_key)
);

-- One table per type of event, by month. received_at and receipt_id say through which call an event came.
create table sent (
  tenant_id uuid not null,
  id uuid not null,
  event_id text not null,
  campaign_id uuid not null,
  recipient_key uuid not null,
  message_id text,
  occurred_at timestamptz not null,
  received_at timestamptz not null,
  receipt_id uuid not null,
  metadata jsonb
) partition by range (occurred_at);

create table delivered (like sent, mailbox_provider text) partition by range (occurred_at);
create table deferred (like sent, diagnostic text) partition by range (occurred_at);
create table bounced (like sent, bounce_class bounce_class not null, status_code text, diagnostic text)
  partition by range (occurred_at);
-- traffic_source says who gave the verdict (0: the source).
create table opened (
  like sent,
  traffic traffic_verdict not null,
  traffic_source smallint not null default 0,
  client text,
  device text,
  country text
) partition by range (occurred_at);
create table clicked (
  like sent,
  url text not null,
  traffic traffic_verdict not null,
  traffic_source smallint not null default 0,
  client text,
  device text,
  country text
) partition by range (occurred_at);
create table complained (like sent, feedback_source text) partition by range (occurred_at);
create table unsubscribed (like sent, method text) partition by range (occurred_at);
create table converted (like sent, amount numeric, currency text, external_reference text)
  partition by range (occurred_at);
create table rejected (like sent, reason text) partition by range (occurred_at);

do $$
declare
  event_table text;
begin
  foreach event_table in array array['sent', 'delivered', 'deferred', 'bounced', 'opened', 'clicked', 'complained',
    'unsubscribed', 'converted', 'rejected'] loop
    execute format('create index %I on %I (tenant_id, occurred_at desc, id desc)', event_table || '_time_idx', event_table);
    execute format('create index %I on %I (tenant_id, campaign_id, occurred_at desc, id desc)',
      event_table || '_campaign_idx', event_table);
    execute format('create index %I on %I (tenant_id, recipient_key, occurred_at desc, id desc)',
      event_table || '_recipient_idx', event_table);
  end loop;
end
$$;

-- Makes the partitions that hold one moment, in all ten tables, and says how many were missing: by month from two years
-- ago on, by year before that (by month there too, where that year already has months). Runs as the owner; only the
-- worker may call it. The advisory lock makes racing callers wait for each other instead of failing.
create function ensure_event_partitions(moment timestamptz) returns integer
  language plpgsql
  security definer
  set search_path = public, pg_temp
  set lock_timeout = '5s'
  set timezone = 'UTC'
as $$
declare
  event_table text;
  partition_name text;
  year_name text;
  lower_bound timestamptz;
  upper_bound timestamptz;
  made integer := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('mailtally.event_partitions', 0));
  foreach event_table in array array['sent', 'delivered', 'deferred', 'bounced', 'opened', 'clicked', 'complained',
    'unsubscribed', 'converted', 'rejected'] loop
    year_name := event_table || to_char(moment, '_YYYY');
    partition_name := event_table || to_char(moment, '_YYYY_MM');
    continue when to_regclass(year_name) is not null or to_regclass(partition_name) is not null;
    if moment >= date_trunc('month', now(), 'UTC') - interval '2 years'
      or exists (
        select from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = event_table::regclass and relname like replace(year_name, '_', '\_') || '\_%'
      )
    then
      lower_bound := date_trunc('month', moment, 'UTC');
      upper_bound := lower_bound + interval '1 month';
    else
      partition_name := year_name;
      lower_bound := date_trunc('year', moment, 'UTC');
      upper_bound := lower_bound + interval '1 year';
    end if;
    -- CREATE and ATTACH, not PARTITION OF: the latter would lock the parent against everybody.
    execute format('create table %I (like %I including all)', partition_name, event_table);
    execute format('alter table %I enable row level security, force row level security', partition_name);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)',
      event_table, partition_name, lower_bound, upper_bound);
    made := made + 1;
  end loop;
  return made;
end
$$;
revoke execute on function ensure_event_partitions(timestamptz) from public;
grant execute on function ensure_event_partitions(timestamptz) to mailtally_worker;

-- What the recorded events say of a recipient in a campaign: when each thing happened first, and how often. The uniques
-- and the SEND basis are functions of this row. Half of the updates stay on their page thanks to the fill factor.
create table recipient_states (
  tenant_id uuid not null,
  campaign_id uuid not null,
  recipient_key uuid not null,
  first_event_at timestamptz not null,
  first_sent_at timestamptz,
  first_delivered_at timestamptz,
  first_deferred_at timestamptz,
  first_bounced_at timestamptz,
  first_hard_bounced_at timestamptz,
  first_opened_at timestamptz,
  first_opened_human_at timestamptz,
  first_clicked_at timestamptz,
  first_clicked_human_at timestamptz,
  first_complained_at timestamptz,
  first_unsubscribed_at timestamptz,
  first_converted_at timestamptz,
  first_rejected_at timestamptz,
  sent integer not null,
  delivered integer not null,
  deferred integer not null,
  bounced_hard integer not null,
  bounced_soft integer not null,
  bounced_block integer not null,
  bounced_undetermined integer not null,
  opened integer not null,
  opened_human integer not null,
  clicked integer not null,
  clicked_human integer not null,
  complained integer not null,
  unsubscribed integer not null,
  converted integer not null,
  rejected integer not null,
  -- {"USD": "12.50"}; null where nothing was given
  revenue json,
  constraint recipient_states_pkey primary key (tenant_id, campaign_id, recipient_key)
) with (fillfactor = 80);

-- The distinct links of a campaign, at most as many as the limit says: the 1,000 that came first. Clicks on others are
-- counted under the nil key. A recount maps by this table too, so that it finds the same.
create table campaign_links (
  tenant_id uuid not null,
  campaign_id uuid not null,
  link_key uuid not null,
  url text not null,
  constraint campaign_links_pkey primary key (tenant_id, campaign_id, link_key)
);

-- Who clicked a link, and whether a human click is among theirs.
create table link_recipients (
  tenant_id uuid not null,
  campaign_id uuid not null,
  link_key uuid not null,
  recipient_key uuid not null,
  human boolean not null,
  constraint link_recipients_pkey primary key (tenant_id, campaign_id, link_key, recipient_key)
);
