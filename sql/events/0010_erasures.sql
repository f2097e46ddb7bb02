set local role mailtally_owner;

-- The link that a click counts as, where its URL held an address and was replaced; null: the link of its URL. First, since a
-- verify may be at the table for hours: nothing is locked yet that others would wait for.
alter table clicked add column link_key uuid;

-- A recipient whose address is null was erased. The row stays for good: whoever brings the address again meets it, and puts
-- nothing in its place ("on conflict do nothing", in programs of the release before as well).
alter table recipients alter column address drop not null;
grant insert (tenant_id, recipient_key), update (address) on recipients to mailtally_api;

-- Who was erased, and how far that has come. The address goes in the transaction that adds the row; what else the log holds of
-- the person goes after it, by a worker.
create table erasures (
  tenant_id uuid not null,
  recipient_key uuid not null,
  -- Counts the tenant's, so that who knows those through one reads the later ones alone.
  number integer not null,
  -- When it was asked for first.
  requested_at timestamptz not null,
  -- Rises each time that it is asked for: what was begun for an earlier one does not complete a later one.
  revision integer not null default 1,
  -- Events that a worker has emptied so far.
  erased_events bigint not null default 0,
  completed_at timestamptz,
  -- Links whose URL held the address, with the URL that takes its place.
  links json not null default '[]',
  -- The entry of the audit trail, until it is known to be there.
  audit json,
  constraint erasures_pkey primary key (tenant_id, recipient_key)
);
create unique index erasures_number_key on erasures (tenant_id, number);
create index erasures_pending_idx on erasures (requested_at) where completed_at is null;

alter table erasures enable row level security, force row level security;
create policy erasures_tenant on erasures to mailtally_api
  using (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
create policy erasures_worker on erasures to mailtally_worker using (true) with check (true);
grant select, insert, update on erasures to mailtally_api;
grant select, insert, update, delete on erasures to mailtally_worker;
