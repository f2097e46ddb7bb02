set local role mailtally_owner;

-- GraphQL documents that clients may ask for by their id. Of no tenant: they are those of front ends, which serve all of them,
-- and hold no data. A row never changes, so that what a server has read of it stays true; a SHA-256 is its document's.
create table trusted_documents (
  id text not null,
  document text not null,
  registered_at timestamptz not null,
  constraint trusted_documents_pkey primary key (id),
  constraint trusted_documents_id_check check (
    case
      when id like 'sha256:%' then id = 'sha256:' || encode(sha256(convert_to(document, 'UTF8')), 'hex')
      else id !~ '^[0-9a-f]{64}$'
    end
  )
);

grant select on trusted_documents to mailtally_api;
grant select, insert, delete on trusted_documents to mailtally_worker;
