set local role mailtally_owner;

-- time_zone is the tenant's; rollup_time_zone the one that its day rollups were made for. While they differ, the
-- 15-minute rollups answer.
create table tenants (
  id uuid not null,
  slug text not null,
  name text not null,
  time_zone text not null,
  rollup_time_zone text not null,
  created_at timestamptz not null,
  constraint tenants_pkey primary key (id),
  constraint tenants_slug_key unique (slug),
  constraint tenants_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')
);

-- Moves in the same transaction as what a cached answer was made from: rollups, campaigns, zone.
create table tenant_versions (
  tenant_id uuid not null,
  version bigint not null,
  constraint tenant_versions_pkey primary key (tenant_id)
) with (fillfactor = 50);

create type scope as enum ('READ_METRICS', 'READ_EVENTS', 'WRITE_EVENTS', 'MANAGE_CAMPAIGNS', 'MANAGE_KEYS');

-- Secrets are kept as SHA-256 of 256 random bits: nothing to guess, so no slow hash is needed.
create table api_keys (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  prefix text not null,
  secret_hash bytea not null,
  scopes scope[] not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  constraint api_keys_pkey primary key (tenant_id, id),
  constraint api_keys_secret_hash_check check (length(secret_hash) = 32)
);
-- Not unique: Citus would want tenant_id in it. Prefixes are random, and a key is told by its whole secret.
create index api_keys_prefix_idx on api_keys (prefix);

create table campaigns (
  tenant_id uuid not null,
  id uuid not null,
  external_id text,
  name text not null,
  subject text,
  tags text[] not null default '{}',
  -- as somebody set it, and as the events tell
  sent_at timestamptz,
  first_sent_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  archived_at timestamptz,
  -- of campaign_identities, whose external_id and archived_at are copied here
  identity_revision integer not null,
  constraint campaigns_pkey primary key (tenant_id, id)
) with (fillfactor = 80);
create index campaigns_created_at_idx on campaigns (tenant_id, created_at, id);
-- Not coalesce(), which counts as leaky: under row-level security an index is not searched by it.
create index campaigns_sent_at_idx
  on campaigns (tenant_id, (case when sent_at is null then first_sent_at else sent_at end), id);
create index campaigns_name_idx on campaigns (tenant_id, name collate "C", id);
create index campaigns_external_id_idx on campaigns (tenant_id, external_id);
