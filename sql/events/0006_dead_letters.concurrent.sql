-- Rows that wait for their next try, and these alone: others pay nothing.
create index concurrently if not exists inbox_retry_idx on inbox (tenant_id, not_before, id) where not_before is not null;

create index concurrently if not exists dead_letters_kept_idx on dead_letters (tenant_id, id) where discarded_at is null;
create index concurrently if not exists dead_letters_discarded_at_idx on dead_letters (discarded_at)
  where discarded_at is not null;
