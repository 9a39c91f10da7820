-- Every key begins with account_id, so the whole store can be divided by account. The exceptions are small reference tables: server, domain, address.
-- Columns that hold compressed or opaque bytes are EXTERNAL: Postgres need not try to compress them; rows up to 8 kB stay in the heap's page.

-- One row. `incarnation` rises when this database is restored or promoted: it is part of every cursor (docs/architecture.md).
create table server (
  singleton boolean primary key default true check (singleton),
  incarnation int not null default 1,
  snapshot_key bytea,                         -- proves that a snapshot which comes back from the cache is ours; made at the first start
  config_generation bigint not null default 0,
  config_hash text
);
insert into server default values;

create table domain (domain text primary key);

create table account (
  account_id bigint generated always as identity primary key,
  address text not null unique,               -- canonical; what its user logs in with
  display_name text,
  password_hash text not null,                -- PHC; verified by auth/
  file_hash text not null,                    -- what the config file said last: a new value there wins over password_hash
  version int not null default 1,             -- rises with password_hash and enabled
  enabled boolean not null default true,
  pop3_policy text not null default 'client',
  quota bigint,                               -- octets; null: none
  next_mailbox int not null default 1,
  next_uidvalidity bigint not null default extract(epoch from now())::bigint,
  modseq bigint not null default 1,           -- of account_change
  created_at timestamptz not null default now(),
  disabled_at timestamptz,
  check (next_mailbox between 1 and 1048575)  -- a mid holds the mailbox's id beside a UID in 53 bits
);

-- Every address that mail is taken for: an account's own, its aliases, and the roles of a domain.
create table address (
  address text primary key,
  account_id bigint not null,
  kind text not null check (kind in ('own', 'alias', 'role'))
);
create index address_account on address (account_id);

create table account_change (
  account_id bigint not null,
  modseq bigint not null,
  kind text not null check (kind in ('create', 'delete', 'rename', 'subscribe', 'unsubscribe')),
  mailbox_id int,
  data jsonb not null default '{}',
  at timestamptz not null default now(),
  primary key (account_id, modseq)
);

create table subscription (
  account_id bigint not null,
  name text not null,                         -- also of mailboxes that do not exist (RFC 9051 §6.3.7)
  primary key (account_id, name)
);

create table mailbox (
  account_id bigint not null,
  id int not null,
  name text not null,
  special_use text,
  uidvalidity bigint not null check (uidvalidity between 1 and 4294967295),
  uidnext bigint not null default 1 check (uidnext between 1 and 4294967296),
  modseq bigint not null default 1 check (modseq between 1 and 9007199254740991),
  log_floor bigint not null default 1,        -- changes up to here may be trimmed away
  messages int not null default 0 check (messages >= 0),
  unseen int not null default 0 check (unseen >= 0),
  bytes bigint not null default 0 check (bytes >= 0),
  recent_uid bigint not null default 1,       -- UIDs from here on were announced as recent to nobody
  keywords text[] not null default '{}',      -- keywords[i] is flag bit 5 + i (from 0); only ever longer
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (account_id, id)
) with (fillfactor = 50);                     -- room for the next version of the row on the same page: every mutation updates it
create unique index mailbox_name on mailbox (account_id, name) where deleted_at is null;

create function refuse_to_fall() returns trigger language plpgsql as $$
begin
  raise exception 'uidnext and modseq of mailbox %/% never fall', new.account_id, new.id;
end $$;
create trigger mailbox_counters before update on mailbox for each row
  when (new.uidnext < old.uidnext or new.modseq < old.modseq or new.log_floor < old.log_floor) execute function refuse_to_fall();

-- Apart from `mailbox`, so that folding never waits for a delivery and no delivery for it.
create table mailbox_fold (
  account_id bigint not null,
  mailbox_id int not null,
  folded_modseq bigint not null default 1,
  primary key (account_id, mailbox_id)
);

-- The log: every mutation of a mailbox is one row. kind 1 append, 2 flags, 3 expunge, 4 gap; data as store/change.ts packs it.
create table change (
  account_id bigint not null,
  mailbox_id int not null,
  modseq bigint not null,
  kind smallint not null,
  first_uid bigint not null default 0,
  data bytea not null,
  primary key (account_id, mailbox_id, modseq)
) with (toast_tuple_target = 8160);
alter table change alter data set storage external;

-- The messages of a mailbox as they stood at folded_modseq.
create table message (
  account_id bigint not null,
  mailbox_id int not null,
  uid bigint not null,
  mid bigint not null,
  content_id bigint not null,
  internal_date timestamptz not null,
  saved_at timestamptz not null,
  size int not null,
  flags bigint not null,
  modseq bigint not null,
  primary key (account_id, mailbox_id, uid)
) with (fillfactor = 90);

-- Restorable until the reaper comes.
create table expunged (
  account_id bigint not null,
  mailbox_id int not null,
  uid bigint not null,
  mid bigint not null,
  content_id bigint not null,
  internal_date timestamptz not null,
  saved_at timestamptz not null,
  size int not null,
  flags bigint not null,
  modseq bigint not null,
  expunged_at timestamptz not null default now(),
  primary key (account_id, mailbox_id, uid)
);

-- The immutable bytes of a message: `header`, then the chunks in order. And what was computed from them once.
create table content (
  account_id bigint not null,
  content_id bigint not null,
  size int not null,
  chunks int not null,
  crlf_gain int not null,                     -- octets it gains where every line must end in CRLF (POP3): 0 for nearly all mail
  sha256 bytea not null,
  header bytea not null,                      -- the header block, blank line included
  envelope bytea not null,                    -- as on the wire
  bodystructure bytea not null,               -- as on the wire
  parts bytea not null,                       -- offsets, see mail/parts.ts
  structure_version smallint not null,
  created_at timestamptz not null default now(),
  primary key (account_id, content_id)
) with (toast_tuple_target = 8160);
create index content_crlf_gain on content (account_id, content_id, crlf_gain) where crlf_gain > 0;
alter table content alter header set storage external, alter envelope set storage external, alter bodystructure set storage external, alter parts set storage external;

create table content_chunk (
  account_id bigint not null,
  content_id bigint not null,
  seq int not null,
  raw_size int not null,                      -- ≤ 262144; every chunk but the last is exactly that
  zstd boolean not null,
  data bytea not null,
  staged_at timestamptz not null default now(),
  primary key (account_id, content_id, seq)
) with (toast_tuple_target = 8160);
alter table content_chunk alter data set storage external;

-- Mutating transactions of the last days, each with what it answered: see pg/tx.ts.
create table op (
  account_id bigint not null,
  op_id uuid not null,
  answer jsonb not null,
  at timestamptz not null default now(),
  primary key (account_id, op_id)
);
create index op_age on op using brin (at);

create table lease (
  account_id bigint not null,
  mailbox_id int not null,
  owner text not null,
  epoch bigint not null default 1,
  expires_at timestamptz not null,
  primary key (account_id, mailbox_id)
);
