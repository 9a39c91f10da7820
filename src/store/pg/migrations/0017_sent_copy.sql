-- Copies of sent mail that the server files, merged with those that mail programs append, and what can be taken back by them.
alter table account add column submission jsonb not null default '{}';        -- store/submission-policy.ts `SubmissionSettings`
alter table account add column keeps_sent boolean not null default false;     -- these, or those of one of its app passwords, say that copies are filed

-- One row per message: where its copy is. A row says nothing else; without one a copy that a program appends is a message like any other.
create table sent_copy (
  account_id bigint not null,
  message_id bytea not null,                  -- a hash of the Message-ID
  likeness bytea not null,                    -- a hash of what makes two copies the same: store/pg/likeness.ts
  mailbox_id int not null,
  uid bigint not null,
  filed_at timestamptz,                       -- when the server accepted it; null: a program's copy of a message that was not accepted so far
  at timestamptz not null default now(),
  held_until timestamptz,                     -- until then it can be taken back, if all of `way_contents` still waits for all of its recipients
  way_accounts bigint[] not null default '{}', -- the rows of `outbound` that take it to its recipients
  way_contents bigint[] not null default '{}',
  recipients int not null default 0,          -- rows of `queue` that these had
  primary key (account_id, message_id, likeness)
);
create index sent_copy_held on sent_copy (account_id, mailbox_id, uid) where held_until is not null;
create index sent_copy_age on sent_copy (at);
