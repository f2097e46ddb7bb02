set local role mailtally_owner;

-- The API reads its own tenant's rows and may put calls and campaign names of its own tenant in; it never writes the log.
-- The worker's batches span tenants. The owner is under FORCE as well: it sees nothing unless a policy says so, and one
-- does, for maintenance and for the commands that recount.
do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['campaign_identities', 'inbox', 'idempotency_keys', 'receipts', 'dead_letters',
    'outbox', 'event_ids', 'recipients', 'sent', 'delivered', 'deferred', 'bounced', 'opened', 'clicked', 'complained',
    'unsubscribed', 'converted', 'rejected', 'recipient_states', 'campaign_links', 'link_recipients'] loop
    execute format('alter table %I enable row level security, force row level security', tenant_table);
    execute format($policy$create policy %I on %I to mailtally_api
      using (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)
      with check (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)$policy$,
      tenant_table || '_tenant', tenant_table);
    execute format('create policy %I on %I to mailtally_worker using (true) with check (true)',
      tenant_table || '_worker', tenant_table);
    execute format('grant select on %I to mailtally_api', tenant_table);
    execute format('grant select, insert, update, delete on %I to mailtally_worker', tenant_table);
  end loop;
end
$$;

grant insert, update on campaign_identities to mailtally_api;
grant insert on inbox, outbox to mailtally_api;
grant insert, delete on idempotency_keys to mailtally_api;
