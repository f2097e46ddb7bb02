set local role mailtally_owner;

-- A replayed letter has the time of the call that brought it, which may be weeks ago: it must not look as if nobody had
-- recorded anything since, or calls would be refused for it.
alter table inbox add column is_replay boolean not null default false;
