set local role mailtally_owner;

-- The API reads its own tenant's rows, and writes campaigns and keys of its own tenant; rollups are the worker's.
alter table tenants enable row level security, force row level security;
create policy tenants_tenant on tenants to mailtally_api
  using (id = nullif(current_setting('app.current_tenant', true), '')::uuid);
create policy tenants_worker on tenants to mailtally_worker using (true) with check (true);
grant select on tenants to mailtally_api;
grant select, insert, update on tenants to mailtally_worker;

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['tenant_versions', 'api_keys', 'campaigns', 'campaign_quarter_hours', 'campaign_days',
    'campaign_totals', 'tenant_quarter_hours', 'tenant_days', 'campaign_quarter_hour_revenue', 'campaign_day_revenue',
    'campaign_total_revenue', 'tenant_quarter_hour_revenue', 'tenant_day_revenue', 'campaign_links',
    'applied_messages'] loop
    execute format('alter table %I enable row level security, force row level security', tenant_table);
    execute format($policy$create policy %I on %I to mailtally_api
      using (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)
      with check (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)$policy$,
      tenant_table || '_tenant', tenant_table);
    execute format('create policy %I on %I to mailtally_worker using (true) with check (true)',
      tenant_table || '_worker', tenant_table);
    execute format('grant select on %I to mailtally_api', tenant_table);
    execute format('grant select, insert, update, delete on %I to mailtally_worker', tenant_table);
  end loop;
end
$$;
grant insert, update on campaigns, api_keys, tenant_versions to mailtally_api;

-- Two doors that open before the tenant is known, as narrow as they can be: whose key has this prefix, and the versions and
-- zones of the tenants that a server has seen keys of. Both run as the owner, through policies for it alone.
create policy api_keys_lookup on api_keys for select to mailtally_owner using (true);
create policy tenants_lookup on tenants for select to mailtally_owner using (true);
create policy tenant_versions_lookup on tenant_versions for select to mailtally_owner using (true);

create function find_api_keys(key_prefix text)
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
$$;

create function read_tenant_states(tenant_ids uuid[])
  returns table (tenant_id uuid, version bigint, time_zone text, rollup_time_zone text)
  language sql stable security definer
  set search_path = public, pg_temp
as $$
  select t.id, coalesce(v.version, 0), t.time_zone, t.rollup_time_zone
  from tenants t
  left join tenant_versions v on v.tenant_id = t.id
  where t.id = any (tenant_ids)
$$;

revoke execute on function find_api_keys(text), read_tenant_states(uuid[]) from public;
grant execute on function find_api_keys(text), read_tenant_states(uuid[]) to mailtally_api;
