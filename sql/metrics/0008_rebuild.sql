set local role mailtally_owner;

-- While a tenant's zone is being changed, projectors write days of both zones, and the days of the new one are filled from
-- the quarter-hours. The days of the former one stay a while for whoever still reads them.
alter table tenants
  add column next_rollup_time_zone text,
  add column former_rollup_time_zone text,
  add column rollup_time_zone_since timestamptz;

-- Which run may mend a tenant's rollups. A run that was thought dead and is not finds another id here, and ends.
create table rebuilds (
  tenant_id uuid not null,
  run_id uuid not null,
  seen_at timestamptz not null,
  constraint rebuilds_pkey primary key (tenant_id)
);

-- The campaigns that an interrupted rebuild of a whole tenant has mended, so that the next one need not count them again.
create table rebuilt_campaigns (
  tenant_id uuid not null,
  campaign_id uuid not null,
  rebuilt_at timestamptz not null,
  constraint rebuilt_campaigns_pkey primary key (tenant_id, campaign_id)
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['rebuilds', 'rebuilt_campaigns'] loop
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
