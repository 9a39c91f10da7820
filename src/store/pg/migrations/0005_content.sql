-- The first words of the message (RFC 8970), UTF-8: made when it is stored. Null: it came before there was this column, or by a program that does not know it; made when asked for.
alter table content add column preview bytea;
alter table content alter preview set storage external;
