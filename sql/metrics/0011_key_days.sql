set local role mailtally_owner;

-- What each key did on each day (UTC). Servers add to it every few seconds what they have counted meanwhile.
create table api_key_days (
  tenant_id uuid not null,
  key_id uuid not null,
  day date not null,
  requests bigint not null,
  -- that became durable by the key's calls
  events bigint not null,
  constraint api_key_days_pkey primary key (tenant_id, key_id, day)
) with (fillfactor = 50);

alter table api_key_days enable row level security, force row level security;
create policy api_key_days_tenant on api_key_days to mailtally_api
  using (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
create policy api_key_days_worker on api_key_days to mailtally_worker using (true) with check (true);
grant select, insert, update on api_key_days to mailtally_api;
grant select, insert, update, delete on api_key_days to mailtally_worker;
