set local role mailtally_owner;

-- What the programs on this database must agree on. The fingerprint is of MAILTALLY_SECRET, under which recipients' keys are
-- made: with another secret the same person would count again.
create table installation (
  only_row boolean not null default true,
  secret_fingerprint text not null,
  constraint installation_pkey primary key (only_row),
  constraint installation_only_row_check check (only_row)
);
grant select on installation to mailtally_api;
grant select, insert on installation to mailtally_worker;

-- Which campaign an event means. The name (tenant, external id) is owned here, so that an event can name a campaign that
-- nobody made yet; what else a campaign is stands in the metrics database and follows through the outbox.
create table campaign_identities (
  tenant_id uuid not null,
  campaign_id uuid not null,
  external_id text,
  archived_at timestamptz,
  -- Rises with each change of this row, so that a late message about an older state is recognised as such.
  revision integer not null default 1,
  created_at timestamptz not null,
  constraint campaign_identities_pkey primary key (tenant_id, campaign_id),
  constraint campaign_identities_external_id_check check (external_id <> '' and length(external_id) <= 255)
);
create unique index campaign_identities_external_id_key on campaign_identities (tenant_id, external_id)
  where archived_at is null;
create index campaign_identities_archived_external_id_idx on campaign_identities (tenant_id, external_id, archived_at desc)
  where archived_at is not null;

-- Accepted and not yet applied. Never distributed: claims need SKIP LOCKED.
-- The primary key is the order of claiming: lane (0 live, 1 bulk), then tenant by tenant, then as they came.
create table inbox (
  id bigint generated always as identity,
  tenant_id uuid not null,
  lane smallint not null,
  receipt_id uuid not null,
  format smallint not null,
  event_count integer not null,
  payload json not null,
  received_at timestamptz not null,
  constraint inbox_pkey primary key (lane, tenant_id, id),
  constraint inbox_lane_check check (lane in (0, 1)),
  constraint inbox_event_count_check check (event_count > 0)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
create index inbox_receipt_idx on inbox (tenant_id, receipt_id);

-- A call under an idempotency key, with what was answered, for 24 hours.
create table idempotency_keys (
  tenant_id uuid not null,
  key text not null,
  content_hash uuid not null,
  answer json not null,
  created_at timestamptz not null,
  constraint idempotency_keys_pkey primary key (tenant_id, key),
  constraint idempotency_keys_key_check check (length(key) between 1 and 255)
);
create index idempotency_keys_created_at_idx on idempotency_keys (created_at);

-- What became of a call, written when its events are applied (until then it is in the inbox), for 7 days.
create type receipt_status as enum ('APPLIED', 'DEAD');
create table receipts (
  tenant_id uuid not null,
  id uuid not null,
  status receipt_status not null,
  accepted_at timestamptz not null,
  applied_at timestamptz not null,
  recorded_count bigint not null,
  duplicate_count bigint not null,
  constraint receipts_pkey primary key (tenant_id, id)
);
create index receipts_applied_at_idx on receipts (applied_at);

-- Rows of the inbox that cannot be applied, one event each, with the error.
create table dead_letters (
  tenant_id uuid not null,
  id uuid not null,
  receipt_id uuid not null,
  format smallint not null,
  event_count integer not null,
  payload json not null,
  received_at timestamptz not null,
  died_at timestamptz not null,
  error text not null,
  constraint dead_letters_pkey primary key (tenant_id, id)
);
create index dead_letters_receipt_idx on dead_letters (tenant_id, receipt_id);

-- What the metrics database has still to learn, in messages of one tenant. Never distributed.
create table outbox (
  id uuid not null,
  tenant_id uuid not null,
  lane smallint not null,
  format smallint not null,
  -- 0 for messages about campaigns alone
  event_count integer not null,
  -- when the oldest of its events was accepted
  received_at timestamptz not null,
  payload json not null,
  constraint outbox_pkey primary key (lane, id),
  constraint outbox_lane_check check (lane in (0, 1))
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
create index outbox_tenant_idx on outbox (tenant_id);
