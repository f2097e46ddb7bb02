-- Three roles, none of which can log in, be a superuser or bypass row-level security. The login in the database's URL is a
-- member of those it needs and takes one on inside every transaction ("set local role"), so that nothing outlives a
-- transaction and a pooler in transaction mode is no danger.
--   mailtally_owner   owns every table and function; migrations run as it
--   mailtally_api     answers requests: one tenant at a time, under row-level security
--   mailtally_worker  applies batches that span tenants, through policies of its own
-- Roles belong to the server, not to one database: the second database to be migrated finds them made.
do $$
declare
  role_name text;
begin
  foreach role_name in array array['mailtally_owner', 'mailtally_api', 'mailtally_worker'] loop
    begin
      if not exists (select from pg_roles where rolname = role_name) then
        execute format('create role %I nologin', role_name);
      end if;
    exception when duplicate_object or unique_violation then
      null; -- another migration on the same server was faster
    end;
    begin
      -- Since PostgreSQL 16 whoever makes a role may grant it, but may not yet take it on.
      execute format('grant %I to current_user', role_name);
    exception when insufficient_privilege then
      null; -- made and granted by an administrator; if not granted, "set role" below says so
    end;
  end loop;
end
$$;

grant usage, create on schema public to mailtally_owner;
grant usage on schema public to mailtally_api, mailtally_worker;

set local role mailtally_owner;

-- The tenant of this transaction. A statement inside BEGIN, not set_config(), because only that reaches Citus's workers.
create function set_tenant(tenant uuid) returns void
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  perform set_config('citus.propagate_set_commands', 'local', true);
  execute format('set local app.current_tenant = %L', tenant);
end
$$;
