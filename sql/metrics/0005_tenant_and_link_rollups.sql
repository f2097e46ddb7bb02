set local role mailtally_owner;

-- A tenant's everything so far; both bases agree. Until `mailtally rebuild` has run once, these tables hold only what came in
-- since they are written.
create table tenant_totals (
  tenant_id uuid not null,
  sent bigint not null default 0,
  delivered bigint not null default 0,
  deferred bigint not null default 0,
  bounced_hard bigint not null default 0,
  bounced_soft bigint not null default 0,
  bounced_block bigint not null default 0,
  bounced_undetermined bigint not null default 0,
  opened bigint not null default 0,
  opened_human bigint not null default 0,
  clicked bigint not null default 0,
  clicked_human bigint not null default 0,
  complained bigint not null default 0,
  unsubscribed bigint not null default 0,
  converted bigint not null default 0,
  rejected bigint not null default 0,
  unique_sent bigint not null default 0,
  unique_delivered bigint not null default 0,
  unique_deferred bigint not null default 0,
  unique_bounced bigint not null default 0,
  unique_hard_bounced bigint not null default 0,
  unique_opened bigint not null default 0,
  unique_opened_human bigint not null default 0,
  unique_clicked bigint not null default 0,
  unique_clicked_human bigint not null default 0,
  unique_complained bigint not null default 0,
  unique_unsubscribed bigint not null default 0,
  unique_converted bigint not null default 0,
  unique_rejected bigint not null default 0,
  constraint tenant_totals_pkey primary key (tenant_id)
) with (fillfactor = 50);

create table tenant_total_revenue (
  tenant_id uuid not null,
  currency text not null,
  amount numeric not null,
  constraint tenant_total_revenue_pkey primary key (tenant_id, currency)
);

-- Clicks by link and time. What a link's key stands for is in campaign_links, which holds the totals.
create table campaign_link_quarter_hours (
  tenant_id uuid not null,
  campaign_id uuid not null,
  link_key uuid not null,
  basis basis not null,
  bucket_start timestamptz not null,
  clicked bigint not null default 0,
  clicked_human bigint not null default 0,
  unique_clicked bigint not null default 0,
  unique_clicked_human bigint not null default 0,
  constraint campaign_link_quarter_hours_pkey primary key (tenant_id, campaign_id, link_key, basis, bucket_start)
) with (fillfactor = 80);

create table campaign_link_days (
  tenant_id uuid not null,
  campaign_id uuid not null,
  link_key uuid not null,
  basis basis not null,
  time_zone text not null,
  day date not null,
  clicked bigint not null default 0,
  clicked_human bigint not null default 0,
  unique_clicked bigint not null default 0,
  unique_clicked_human bigint not null default 0,
  constraint campaign_link_days_pkey primary key (tenant_id, campaign_id, link_key, basis, time_zone, day)
) with (fillfactor = 80);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['tenant_totals', 'tenant_total_revenue', 'campaign_link_quarter_hours',
    'campaign_link_days'] loop
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
