set local role mailtally_owner;

alter type scope add value 'MANAGE_RECIPIENTS';
alter type audit_action add value 'RECIPIENT_ERASED';
