set local role mailtally_owner;

-- When a recipient clicked a link first, and how often: what the link rollups by time and on the SEND basis need. A row from
-- before says 0 clicks; who meets it counts it anew from the log (see rollups/links/link-states.ts).
alter table link_recipients
  add column first_clicked_at timestamptz,
  add column first_clicked_human_at timestamptz,
  add column clicked integer not null default 0,
  add column clicked_human integer not null default 0;
