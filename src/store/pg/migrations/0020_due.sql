-- What the look for what is due goes by, however many domains and senders wait. Each is only for who says `attempts >= 0`, or `epoch >= 0`, which is true of every row: a claim
-- that asks for the oldest row of one sender and domain must never go through all that is due, or through all that the sender has, to find it.
create index queue_run_at on queue (run_at, bucket, id) where state = 0 and attempts >= 0;
create index queue_sender on queue (account_id, hashtextextended(domain, 0), run_at) where state = 0 and epoch >= 0;
