-- What POP3 hid under the policy `keep`, and when: written with the keyword, in one transaction. After `keep_days` it is expunged, if it still is where it was and still hidden.
-- A row says nothing else: without one a message that has the keyword stays for ever. Code that does not know this table hides without a row.
create table pop3_hidden (
  account_id bigint not null,
  mid bigint not null,
  mailbox_id int not null,                    -- where it was hidden; under another UID, or elsewhere, somebody has moved it since
  uid bigint not null,
  app text not null default '',               -- the app password whose policy it was; empty: the account's
  hidden_at timestamptz not null default now(),
  primary key (account_id, mid)
);
create index pop3_hidden_age on pop3_hidden (account_id, hidden_at);
