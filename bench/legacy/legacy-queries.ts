/** What the dashboard shows, asked of the old table: as it was first written, and as somebody writes it who knows PostgreSQL. */

/** The kind of query that the story begins with. Binds: tenant, campaigns. */
export const NAIVE_TOTALS = `
  select campaigns.id, campaigns.name, campaigns.sent_at,
    count(distinct case when event_type = 'sent' then recipient end)::integer as sent_unique,
    count(distinct case when event_type = 'delivered' then recipient end)::integer as delivered_unique,
    count(case when event_type = 'opened' then 1 end)::integer as opened_total,
    count(distinct case when event_type = 'opened' then recipient end)::integer as opened_unique,
    count(case when event_type = 'clicked' then 1 end)::integer as clicked_total,
    count(distinct case when event_type = 'clicked' then recipient end)::integer as clicked_unique
  from campaigns
  left join email_events on email_events.campaign_id = campaigns.id and email_events.tenant_id = campaigns.tenant_id
  where campaigns.tenant_id = $1 and campaigns.id = any ($2::uuid[])
  group by campaigns.id, campaigns.name, campaigns.sent_at
  order by campaigns.id`;

/** The same in one pass over the covering index: recipients first, then their sums. Binds: tenant, campaigns. */
export const GOOD_TOTALS = `
  select campaigns.id, campaigns.name, campaigns.sent_at, total.*
  from campaigns
  join (
    select campaign_id,
      count(*) filter (where event_type = 'sent')::integer as sent_unique,
      count(*) filter (where event_type = 'delivered')::integer as delivered_unique,
      coalesce(sum(events) filter (where event_type = 'opened'), 0)::integer as opened_total,
      count(*) filter (where event_type = 'opened')::integer as opened_unique,
      coalesce(sum(events) filter (where event_type = 'clicked'), 0)::integer as clicked_total,
      count(*) filter (where event_type = 'clicked')::integer as clicked_unique
    from (
      select campaign_id, event_type, recipient, count(*) as events
      from email_events
      where tenant_id = $1 and campaign_id = any ($2::uuid[]) and event_type in ('sent', 'delivered', 'opened', 'clicked')
      group by campaign_id, event_type, recipient
    ) as by_recipient
    group by campaign_id
  ) as total on total.campaign_id = campaigns.id
  where campaigns.tenant_id = $1
  order by campaigns.id`;

/** A day for each campaign and each recipient at the first time. Binds: tenant, campaigns, from, to. */
export const GOOD_SERIES = `
  select campaign_id, date_trunc('day', at, 'UTC') as day,
    count(*) filter (where event_type = 'delivered')::integer as delivered_unique,
    count(*) filter (where event_type = 'opened')::integer as opened_unique,
    count(*) filter (where event_type = 'clicked')::integer as clicked_unique
  from (
    select campaign_id, event_type, recipient, min(occurred_at) as at
    from email_events
    where tenant_id = $1 and campaign_id = any ($2::uuid[]) and event_type in ('delivered', 'opened', 'clicked')
    group by campaign_id, event_type, recipient
  ) as first_time
  where at >= $3 and at < $4
  group by 1, 2
  order by 1, 2`;
