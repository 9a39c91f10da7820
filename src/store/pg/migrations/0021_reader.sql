-- Which process reads a report: one that is dead need not be waited out. Of the claim of that epoch only: an older Postern, which knows nothing of this, claims under the next one.
alter table report_due add column reader bigint, add column reader_epoch int;
