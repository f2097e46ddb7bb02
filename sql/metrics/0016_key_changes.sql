set local role mailtally_owner;

-- Moves with every change of a key that there is, in the same transaction: who has read keys and finds it where it was knows that they
-- still hold, without reading a single one again. One row, moved by the program (access/api-keys.ts). Of no tenant.
create table key_changes (
  is_only boolean not null default true,
  revision bigint not null,
  constraint key_changes_pkey primary key (is_only),
  constraint key_changes_is_only_check check (is_only)
);
insert into key_changes (revision) values (0);

grant select, update (revision) on key_changes to mailtally_api;
