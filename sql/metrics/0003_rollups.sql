set local role mailtally_owner;

-- What happened (basis EVENT), or became of what was sent (basis SEND), in a bucket. Plain columns count events;
-- unique_ columns count recipients of a campaign at their first time; _human leaves out what was judged MACHINE.
-- bucket_start is a quarter-hour in UTC, day a local date in the zone that the row names.
-- Not an enum: comparing enums is not leakproof, so under row-level security it would only filter what the primary key
-- found, and every read would walk through both bases and all times of its campaign.
create domain basis as text constraint basis_check check (value in ('EVENT', 'SEND'));

create table campaign_quarter_hours (
  tenant_id uuid not null,
  campaign_id uuid not null,
  basis basis not null,
  bucket_start timestamptz not null,
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
  constraint campaign_quarter_hours_pkey primary key (tenant_id, campaign_id, basis, bucket_start)
) with (fillfactor = 80);

create table campaign_days (
  tenant_id uuid not null,
  campaign_id uuid not null,
  basis basis not null,
  time_zone text not null,
  day date not null,
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
  constraint campaign_days_pkey primary key (tenant_id, campaign_id, basis, time_zone, day)
) with (fillfactor = 80);

-- Everything so far; both bases agree.
create table campaign_totals (
  tenant_id uuid not null,
  campaign_id uuid not null,
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
  constraint campaign_totals_pkey primary key (tenant_id, campaign_id)
) with (fillfactor = 50);

create table tenant_quarter_hours (
  tenant_id uuid not null,
  basis basis not null,
  bucket_start timestamptz not null,
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
  constraint tenant_quarter_hours_pkey primary key (tenant_id, basis, bucket_start)
) with (fillfactor = 80);

create table tenant_days (
  tenant_id uuid not null,
  basis basis not null,
  time_zone text not null,
  day date not null,
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
  constraint tenant_days_pkey primary key (tenant_id, basis, time_zone, day)
) with (fillfactor = 80);

-- Revenue stands beside, a row per currency: most buckets have none.
create table campaign_quarter_hour_revenue (
  tenant_id uuid not null,
  campaign_id uuid not null,
  basis basis not null,
  bucket_start timestamptz not null,
  currency text not null,
  amount numeric not null,
  constraint campaign_quarter_hour_revenue_pkey primary key (tenant_id, campaign_id, basis, bucket_start, currency)
);

create table campaign_day_revenue (
  tenant_id uuid not null,
  campaign_id uuid not null,
  basis basis not null,
  time_zone text not null,
  day date not null,
  currency text not null,
  amount numeric not null,
  constraint campaign_day_revenue_pkey primary key (tenant_id, campaign_id, basis, time_zone, day, currency)
);

create table campaign_total_revenue (
  tenant_id uuid not null,
  campaign_id uuid not null,
  currency text not null,
  amount numeric not null,
  constraint campaign_total_revenue_pkey primary key (tenant_id, campaign_id, currency)
);

create table tenant_quarter_hour_revenue (
  tenant_id uuid not null,
  basis basis not null,
  bucket_start timestamptz not null,
  currency text not null,
  amount numeric not null,
  constraint tenant_quarter_hour_revenue_pkey primary key (tenant_id, basis, bucket_start, currency)
);

create table tenant_day_revenue (
  tenant_id uuid not null,
  basis basis not null,
  time_zone text not null,
  day date not null,
  currency text not null,
  amount numeric not null,
  constraint tenant_day_revenue_pkey primary key (tenant_id, basis, time_zone, day, currency)
);

-- The nil link_key holds the clicks on links past a campaign's limit.
create table campaign_links (
  tenant_id uuid not null,
  campaign_id uuid not null,
  link_key uuid not null,
  url text not null,
  clicked bigint not null default 0,
  clicked_human bigint not null default 0,
  unique_clicked bigint not null default 0,
  unique_clicked_human bigint not null default 0,
  constraint campaign_links_pkey primary key (tenant_id, campaign_id, link_key)
) with (fillfactor = 50);
create index campaign_links_top_idx on campaign_links (tenant_id, campaign_id, unique_clicked desc, link_key);

-- The messages of the outbox that these rollups hold, each written with what it changed: a message that comes again is
-- known. A row may go once no projector can still hold its message unapplied (see projector.ts).
create table applied_messages (
  tenant_id uuid not null,
  id uuid not null,
  applied_at timestamptz not null,
  constraint applied_messages_pkey primary key (tenant_id, id)
);
create index applied_messages_applied_at_idx on applied_messages (applied_at);
