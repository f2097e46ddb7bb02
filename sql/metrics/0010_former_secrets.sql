set local role mailtally_owner;

-- The secret before the last rotation, until when it works. All three are null where the rotation was at once. A program that
-- knows nothing of them leaves them as they are.
alter table api_keys
  add column former_prefix text,
  add column former_secret_hash bytea,
  add column former_expires_at timestamptz,
  add constraint api_keys_former_secret_check check (
    num_nonnulls(former_prefix, former_secret_hash, former_expires_at) in (0, 3)
    and (former_secret_hash is null or length(former_secret_hash) = 32)
  ) not valid;

-- A former secret is one more row that expires sooner, so that a program which knows nothing of rotations honours it too.
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
  where k.prefix = key_prefix
  union all
  select k.tenant_id, k.id, k.former_secret_hash, k.scopes::text[], least(k.expires_at, k.former_expires_at), k.revoked_at,
    k.last_used_at
  from api_keys k
  where k.former_prefix = key_prefix
$$;
