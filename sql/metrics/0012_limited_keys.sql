set local role mailtally_owner;

-- A key with tags sees campaigns with any of these, and does nothing but read.
alter table api_keys
  add column campaign_tags text[],
  add constraint api_keys_campaign_tags_check check (
    campaign_tags is null
    or (cardinality(campaign_tags) > 0 and scopes <@ array['READ_METRICS', 'READ_EVENTS']::scope[])
  ) not valid;

-- A program that knows nothing of limits must not find limited keys: it would show them everything.
create or replace function find_api_keys(key_prefix text)
  returns table (
    tenant_id uuid, id uuid, secret_hash bytea, scopes text[], expires_at timestamptz, revoked_at timestamptz,
    last_used_at timestamptz
  )
  language sql stable security definer
  set search_path = public, pg_temp
as $$
  select k.tenant_id, k.id, k.secret_hash, k.scopes::text[], k.expires_at, k.revoked_at, k.last_used_at
  from api_keys k
  where k.prefix = key_prefix and k.campaign_tags is null
  union all
  select k.tenant_id, k.id, k.former_secret_hash, k.scopes::text[], least(k.expires_at, k.former_expires_at), k.revoked_at,
    k.last_used_at
  from api_keys k
  where k.former_prefix = key_prefix and k.campaign_tags is null
$$;

create function find_keys_with_limits(key_prefix text)
  returns table (
    tenant_id uuid, id uuid, secret_hash bytea, scopes text[], campaign_tags text[], expires_at timestamptz,
    revoked_at timestamptz, last_used_at timestamptz
  )
  language sql stable security definer
  set search_path = public, pg_temp
as $$
  select k.tenant_id, k.id, k.secret_hash, k.scopes::text[], k.campaign_tags, k.expires_at, k.revoked_at, k.last_used_at
  from api_keys k
  where k.prefix = key_prefix
  union all
  select k.tenant_id, k.id, k.former_secret_hash, k.scopes::text[], k.campaign_tags,
    least(k.expires_at, k.former_expires_at), k.revoked_at, k.last_used_at
  from api_keys k
  where k.former_prefix = key_prefix
$$;

revoke execute on function find_keys_with_limits(text) from public;
grant execute on function find_keys_with_limits(text) to mailtally_api;
