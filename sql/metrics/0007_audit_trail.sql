set local role mailtally_owner;

create type audit_subject as enum ('TENANT', 'API_KEY', 'CAMPAIGN');
create type audit_actor as enum ('API_KEY', 'OPERATOR', 'SYSTEM');
create type audit_action as enum ('TENANT_CREATED', 'TENANT_UPDATED', 'API_KEY_CREATED', 'API_KEY_ROTATED',
  'API_KEY_REVOKED', 'CAMPAIGN_CREATED', 'CAMPAIGN_UPDATED', 'CAMPAIGN_ARCHIVED', 'CAMPAIGN_RESTORED');

-- Who changed what, when. An entry is written in the transaction of its change. What happened to a campaign in the event log
-- may be written by two: by who changed it and by the projector; both know the entry's id, and one of them does.
-- before and after hold the fields that changed, as the API shows them; never a secret or its hash.
create table audit_entries (
  tenant_id uuid not null,
  id uuid not null,
  occurred_at timestamptz not null,
  subject audit_subject not null,
  subject_id uuid not null,
  action audit_action not null,
  actor audit_actor not null,
  actor_key_id uuid,
  -- as it was called then
  actor_key_name text,
  before json,
  after json,
  constraint audit_entries_pkey primary key (tenant_id, id),
  constraint audit_entries_actor_key_id_check check ((actor = 'API_KEY') = (actor_key_id is not null))
);
create index audit_entries_subject_idx on audit_entries (tenant_id, subject_id, occurred_at, id);

alter table audit_entries enable row level security, force row level security;
create policy audit_entries_tenant on audit_entries to mailtally_api
  using (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
create policy audit_entries_worker on audit_entries to mailtally_worker using (true) with check (true);
-- What was written stays as it is: nobody may update or delete.
grant select, insert on audit_entries to mailtally_api, mailtally_worker;

-- Campaigns are archived, never deleted.
revoke delete on campaigns from mailtally_worker;
