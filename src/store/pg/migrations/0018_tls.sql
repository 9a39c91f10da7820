-- What the sender said of the way to other servers: nothing that their domains demand of TLS is to hold his message up (TLS-Required: No, RFC 8689).
alter table outbound add column tls_optional boolean not null default false;
create index outbound_tls_optional on outbound (account_id) where tls_optional;

-- What came of TLS with other mail servers (RFC 8460): one row for each way it went, of a day and the domain that the mail was for. Kept for a few days.
create table tls_session (
  day date not null,                          -- UTC
  domain text collate "C" not null,           -- A-labels
  key bytea not null,                         -- digest of what follows, but for `reason` and `sessions`
  policy_type text not null check (policy_type in ('tlsa', 'sts', 'no-policy-found')),
  policy_domain text collate "C" not null,
  policy text[] not null,                     -- as it was applied, in strings
  mx text[] not null,                         -- patterns of an MTA-STS policy
  result text not null,                       -- '' for success
  sending_ip text not null,                   -- '' where it is nobody's business
  mx_host text not null,
  receiving_ip text not null,
  reason text not null,
  sessions bigint not null,
  primary key (day, domain, key)
);
create index tls_session_policy on tls_session (day, policy_domain);

-- One row for each day and domain, whose address is '' until it is known where its reports go, and one for each of these. Claimed and fenced like the queue.
create table tls_report (
  day date not null,
  domain text collate "C" not null,
  address text not null,                      -- a URI of the domain's record
  state smallint not null default 0,          -- 0 waits or is under way, 1 done, 2 given up
  run_at timestamptz not null,                -- when it is due; of what is under way, when the lease of `owner` ends
  tries int not null default 0,
  owner text,
  epoch int not null default 0,
  primary key (day, domain, address)
);
create index tls_report_due on tls_report (run_at) where state = 0;
