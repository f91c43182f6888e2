-- A new row of a small task fits into what is left at the end of most pages of a long history. Spread over it, each
-- would cost a page read, and a page written to the log after every checkpoint (1,860 bytes of log a task against 1,060,
-- measured with 500,000 tasks of history). With a tenth of each page kept free, rows go to pages that have room for many;
-- the versions that a claim and a completion write find theirs beside the row.
ALTER TABLE "async_tasks" SET (fillfactor = 90);
