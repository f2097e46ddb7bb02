set local role mailtally_owner;

-- Users come with a token of an identity provider, and have no row of their own here: the trail keeps what the token called them.
alter type audit_actor add value 'USER';

-- Not `(actor = 'USER') = (actor_subject is not null)`: a projector of the release before, which keeps an entry from the
-- outbox without knowing these columns, would fail and go on failing. Not valid, as no row can break what its new columns say.
alter table audit_entries
  add column actor_subject text,
  add column actor_issuer text,
  add constraint audit_entries_actor_subject_check check (
    (actor_subject is null) = (actor_issuer is null) and (actor_subject is null or actor::text = 'USER')
  ) not valid;

-- A third door that opens before the tenant is known: which tenant has the id or, where that is none, the slug that a token
-- names. A slug may have the form of another tenant's id, so the caller says which of the two it means.
create function find_tenant_id(tenant_id uuid, tenant_slug text) returns uuid
  language sql stable security definer
  set search_path = public, pg_temp
as $$
  select t.id from tenants t where t.id = tenant_id or t.slug = tenant_slug
$$;

revoke execute on function find_tenant_id(uuid, text) from public;
grant execute on function find_tenant_id(uuid, text) to mailtally_api;
