-- A vacuum or analyze of a table has everybody's plans that read it made anew. The evaluation's take some 20 ms to make,
-- and these tables change with every turn, in all clinics alike: each minute the live worker stood still for as long as
-- the plans of all clinics take. A clock has one row, whose old versions go when it is written; it needs neither.
alter table segment_clock set (autovacuum_enabled = false);
alter table live_clock set (autovacuum_enabled = false);
alter table mart_clock set (autovacuum_enabled = false);
alter table changed_patient set (autovacuum_vacuum_threshold = 10000, autovacuum_analyze_threshold = 10000);
alter table patient_flip set (autovacuum_vacuum_threshold = 10000, autovacuum_analyze_threshold = 10000);
