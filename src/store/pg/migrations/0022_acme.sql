-- Certificates by ACME (RFC 8555): all hosts of a name show the same one, whoever ordered it. Who reads this database has their keys, as he has those of DKIM.
create table acme_account (
  directory text not null,                    -- URL of the authority
  kid text not null,                          -- of its external account; '' is none
  private_key text not null,                  -- PEM, PKCS #8
  created_at timestamptz not null default now(),
  primary key (directory, kid)
);
create table acme_certificate (
  hostname text not null,
  private_key text not null,                  -- PEM, PKCS #8; the same for all of the host's certificates, so that TLSA records stay true
  chain text,                                 -- PEM, the host's own first; null: none yet
  directory text,                             -- of the authority that gave it
  names text,                                 -- that it was ordered for, with a space between
  issued timestamptz,
  orders int not null default 0,              -- that came to a certificate since …
  orders_since timestamptz not null default now(),
  order_url text,                             -- the order under way, whose it is, and for which names
  order_directory text,
  order_names text,
  settings text not null default '',          -- with which the last attempt failed: others are tried at once
  failures int not null default 0,            -- in a row
  trouble text not null default '',           -- what the last of them was
  next_try timestamptz,
  holder text,                                -- who orders now, and until when nobody else does
  held_until timestamptz,
  primary key (hostname)
);
-- Names that could not be proved, and until when they are left out.
create table acme_refused (
  hostname text not null,
  name text not null,
  why text not null,
  until timestamptz not null,
  primary key (hostname, name)
);
-- What an authority that looks now is shown (RFC 8737).
create table acme_challenge (
  name text not null,
  digest bytea not null,                      -- SHA-256 of the key authorization
  until timestamptz not null,
  primary key (name)
);
