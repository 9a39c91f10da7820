-- Ways to log in beside the password. All of it is what the config file says; code that does not know these columns leaves them alone.

-- What SCRAM checks the password by (auth/scram.ts); empty: nothing.
alter table account add column scram text not null default '';
-- [{"name", "hash", "scram", "scopes", "disable", "pop3"}], few: they are read whole at each login.
alter table account add column app_passwords jsonb not null default '[]';
-- IMAP capabilities that this account does without.
alter table account add column disabled_capabilities jsonb not null default '[]';
