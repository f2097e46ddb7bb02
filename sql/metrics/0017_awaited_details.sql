set local role mailtally_owner;

-- Which of a campaign's details something stands in for: messages come in any order, so that one about a later state may make the
-- row, and what was said where the campaign was made fills these in when it comes.
create type campaign_detail as enum ('name', 'subject', 'tags', 'sent_at');
alter table campaigns add column awaited_details campaign_detail[] not null default '{}';
