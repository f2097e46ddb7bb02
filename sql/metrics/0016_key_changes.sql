set local role mailtally_owner;

-- Moves with every change of any key, in the same transaction: who has read keys and finds it where it was knows that they still hold,
-- without reading a single one again. One row. The last use of a key is no change of it.
create table key_changes (
  is_only boolean not null default true,
  revision bigint not null,
  constraint key_changes_pkey primary key (is_only),
  constraint key_changes_is_only_check check (is_only)
);
insert into key_changes (revision) values (0);
grant select on key_changes to mailtally_api;

-- A trigger, so that a program of a release before, or an operator's hand, moves it as well.
create function note_key_change() returns trigger
  language plpgsql security definer
  set search_path = public, pg_temp
as $$
begin
  update key_changes set revision = revision + 1;
  return null;
end
$$;
revoke execute on function note_key_change() from public;

-- At the end of the transaction: held any earlier, the row could make two that change several keys wait for each other.
create constraint trigger api_keys_changed
  after insert or delete or update of prefix, secret_hash, scopes, expires_at, revoked_at, former_prefix, former_secret_hash,
    former_expires_at, campaign_tags
  on api_keys
  deferrable initially deferred
  for each row execute function note_key_change();
