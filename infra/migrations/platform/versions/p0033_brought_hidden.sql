-- What no guardian brought, or what is labelled as restricted, is hidden from guardians: only who brought it sees it.
alter table operational.brought_record add column confidential boolean not null default true;
update operational.brought_record set confidential = false where channel = 'guardian';
alter table operational.brought_record add check (confidential or channel = 'guardian');
grant select (confidential) on operational.brought_record to {family};
