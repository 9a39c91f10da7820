-- What is noted of a mailbox and of the server (RFC 5464). It goes with the mailbox's id, so a RENAME leaves it where it is.
create table metadata (
  account_id bigint not null,                 -- whose mailbox it is
  mailbox_id int not null,                    -- 0: the server, as this account sees it
  reader bigint not null,                     -- the account that alone sees it: /private; 0: all who see the mailbox: /shared
  entry text not null,                        -- the whole name in lower case
  value bytea not null,
  size int not null,                          -- octets of name and value: what limits count
  primary key (account_id, mailbox_id, reader, entry)
) with (toast_tuple_target = 8160);
alter table metadata alter value set storage external;
