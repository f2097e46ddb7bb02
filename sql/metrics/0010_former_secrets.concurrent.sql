-- Not unique, as the index on prefix.
create index concurrently if not exists api_keys_former_prefix_idx on api_keys (former_prefix)
  where former_prefix is not null;
