set local role mailtally_owner;

-- The link that a click counts as, where its URL held an address and was replaced; null: the link of its URL. A table of its own
-- file, since it waits for another busy table than the one before.
alter table clicked add column link_key uuid;
