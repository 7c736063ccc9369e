-- Of a large clinic, what is executed before the statement: it reads in parallel, and the statement what it read.
alter table segment_program add column verdicts text;
