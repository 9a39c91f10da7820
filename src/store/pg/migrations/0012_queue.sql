-- Mail for other servers. Its octets are a content of the account that sends it; the reaper leaves a content alone while `outbound` names it.

-- One row per message, until the last of its recipients is settled.
create table outbound (
  account_id bigint not null,                 -- who sent or forwarded it, and is told when it fails
  content_id bigint not null,
  prefix bytea not null,                      -- lines that go before the content: Received, DKIM-Signature
  skip int not null,                          -- octets at the beginning of the content that are for this server only
  size int not null,                          -- octets as they are sent
  reverse_path text not null,                 -- '' for the null one
  eight_bit boolean not null,
  utf8 boolean not null,
  require_tls boolean not null,
  envelope_id text,                           -- ENVID and RET of RFC 3461
  ret text check (ret in ('FULL', 'HDRS')),
  queued_at timestamptz not null default now(),
  primary key (account_id, content_id)
);

-- One row per recipient. The bucket is made of the domain: what is claimed together lies together.
create table queue (
  bucket smallint not null,
  id bigint generated always as identity,
  account_id bigint not null,
  content_id bigint not null,
  domain text collate "C" not null,           -- where it is sent, A-labels; a route of the configuration is looked up by it
  address text not null,                      -- forward-path
  notify smallint not null,                   -- NOTIFY of RFC 3461: store/queue.ts
  original text,                              -- ORCPT
  state smallint not null default 0,          -- 0 waits or is under way, 2 held, 3 failed, 4 delivered; 3 and 4 wait to be told
  run_at timestamptz not null,                -- when it is due; of what is under way, when the lease of `owner` ends
  expires_at timestamptz not null,
  attempts int not null default 0,
  owner text,
  epoch int not null default 0,               -- rises with every claim: an older one settles nothing
  dot_at timestamptz,                         -- the final dot was about to be sent, and no answer to it is known
  warned boolean not null default false,      -- the sender was told of the delay
  status text not null default '',            -- what the last attempt came to: enhanced status code, words of the remote side, and who said it
  said text not null default '',
  remote text not null default '',
  primary key (bucket, id)
) with (fillfactor = 70);
create index queue_due on queue (bucket, domain, account_id, run_at) where state = 0;
create index queue_message on queue (account_id, content_id);
create index queue_expiry on queue (expires_at) where state in (0, 2);
create index queue_told on queue (run_at) where state > 2;

-- Domains whose servers cannot be reached: nothing is tried before `not_before`, whatever waits.
create table queue_domain (
  bucket smallint not null,
  domain text collate "C" not null,
  not_before timestamptz not null,
  failures int not null,
  said text not null,
  primary key (bucket, domain)
);

-- Recipients that an account sent to, by the hour: what its limits are counted by.
create table sent (
  account_id bigint not null,
  hour timestamptz not null,
  recipients int not null,
  primary key (account_id, hour)
);
