-- All links of a recipient move together when their first SENT does.
create index concurrently if not exists link_recipients_recipient_idx
  on link_recipients (tenant_id, campaign_id, recipient_key);
