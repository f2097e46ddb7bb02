set local role mailtally_owner;

alter type scope add value 'OPERATE';
