-- Keys that sign mail of our domains: few, and all hosts need them. Who reads this database reads all mail anyway.
create table dkim_key (
  domain text not null,                       -- A-labels
  selector text not null,
  algorithm text not null check (algorithm in ('rsa', 'ed25519')),
  private_key text not null,                  -- PEM, PKCS #8
  created_at timestamptz not null default now(),
  primary key (domain, selector)
);
