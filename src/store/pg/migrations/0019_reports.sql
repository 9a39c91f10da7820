-- Reports of other servers on mail of our domains (DMARC) and on TLS to them: what was delivered and is to be read, what was read, and what could not be.

-- Written before the delivery that it is about: one whose content never came is forgotten. Of mail to the address for reports only.
create table report_due (
  account_id bigint not null,
  content_id bigint not null,
  noted_at timestamptz not null default now(),
  run_at timestamptz not null default now(),  -- when it is due; of what is being read, when that lease ends
  epoch int not null default 0,               -- rises with every claim: an older one settles nothing
  primary key (account_id, content_id)
);
create index report_due_run on report_due (run_at);

-- One row for each report, by the message that brought it. `rows` as store/reports.ts has them.
create table report (
  account_id bigint not null,
  content_id bigint not null,
  nth smallint not null,                      -- a message may bring several
  kind text not null check (kind in ('dmarc', 'tls')),
  domain text not null,                       -- ours, that it is about
  reporter text not null,                     -- domain in the From of the message, A-labels
  verified boolean not null,                  -- the message proved it
  org text not null,                          -- who it says that it is from
  report_id text not null,
  began timestamptz not null,
  ended timestamptz not null,
  policy text not null,                       -- that they found, `p=reject`
  row_count int not null,
  rows jsonb not null,
  received_at timestamptz not null default now(),
  primary key (account_id, content_id, nth)
);
create unique index report_once on report (account_id, kind, domain, reporter, verified, report_id);
create index report_received on report (account_id, received_at);

-- What came and does not count, by day: no row for each, since anybody can send them.
create table report_unread (
  account_id bigint not null,
  day date not null,
  reporter text not null,
  verified boolean not null,
  reason text not null,
  count int not null,
  last_at timestamptz not null default now(),
  primary key (account_id, day, reporter, verified, reason)
);
