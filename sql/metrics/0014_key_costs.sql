set local role mailtally_owner;

-- With a default, so that the program before, which knows nothing of prices, goes on adding to the rows.
alter table api_key_days
  add column cost bigint not null default 0;
