-- What other domains demand of TLS to their mail servers: small, and the same for all hosts and after every restart.
create table mta_sts (
  domain text primary key,                    -- A-labels
  id text not null,                           -- of the TXT record that the policy was fetched for
  mode text not null check (mode in ('enforce', 'testing', 'none')),
  mx text not null,                           -- names and patterns, with a space between
  fetched timestamptz not null,
  expires timestamptz not null
);
create index mta_sts_expires on mta_sts (expires);
