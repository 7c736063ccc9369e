-- Guardians of adults who cannot agree themselves: on a legal basis that an admin records, until its day.
alter table operational.guardian_invitation
    alter column made_by drop not null,
    add column basis text check (basis in ('court_order', 'power_of_attorney', 'statute')),
    add column ends_on date,
    add column recorded_by uuid references operational.principal,
    add check (num_nulls(basis, ends_on, recorded_by) in (0, 3)),
    add check ((made_by is null) = (basis is not null));
alter table operational.guardianship
    add column basis text check (basis in ('court_order', 'power_of_attorney', 'statute')),
    add check (basis is null or ends_on is not null);
create policy by_law on operational.guardian_invitation for insert to {service}
    with check (dependent_id = (select operational.context_person()) and made_by is null);
