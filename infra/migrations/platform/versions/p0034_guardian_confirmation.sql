-- Guardians by law: an admin proposes one, a manager of the clinic confirms it, and the code goes to the guardian's own
-- address, whose proof redeems it. Proposed, confirmed, redeemed, ended.
alter table operational.guardian_invitation
    drop constraint guardian_invitation_check,
    alter column code_hash drop not null,
    add column clinic_id integer references operational.clinic,
    -- Where the code goes, sealed; of no use any more once it is redeemed or ended.
    add column contact bytea,
    -- What the manager saw: a reference such as a file number.
    add column document text check (length(document) between 1 and 200),
    add column confirmed_by uuid references operational.principal,
    add column confirmed_at timestamptz,
    add column guardianship_id uuid references operational.guardianship,
    add column contested_at timestamptz,
    add column revoked_by uuid references operational.principal,
    add column revoke_reason text;
-- What one person alone recorded: open codes are good no more; who is a guardian already stays one, and can be ended.
update operational.guardian_invitation as i set
    code_hash = null,
    revoked_at = case when i.redeemed_at is null then coalesce(i.revoked_at, clock_timestamp()) end,
    clinic_id = (select min(r.clinic_id) from operational.registration as r
                 where r.person_id = i.dependent_id and r.deleted_at is null),
    guardianship_id = (select g.guardianship_id from operational.guardianship as g
                       where g.dependent_id = i.dependent_id and g.guardian_id = i.redeemed_by and g.basis is not null
                       order by g.begun_at limit 1)
where i.basis is not null;
alter table operational.guardian_invitation
    add constraint guardian_invitation_lasts
        check (expires_at > made_at and expires_at <= coalesce(confirmed_at, made_at) + interval '8 days'),
    -- By law there is a code only once it is confirmed, by somebody else.
    add constraint guardian_invitation_code check ((code_hash is null) = (basis is not null and confirmed_at is null)),
    add constraint guardian_invitation_two check (confirmed_by <> recorded_by),
    add constraint guardian_invitation_confirmed
        check (num_nulls(confirmed_at, confirmed_by, document) in (0, 3) and (confirmed_at is null or basis is not null)),
    add constraint guardian_invitation_by_law
        check (basis is not null or num_nonnulls(clinic_id, contact, guardianship_id, contested_at) = 0);
create index guardian_invitation_clinic on operational.guardian_invitation (clinic_id) where basis is not null;

drop policy by_law on operational.guardian_invitation;
create policy by_law on operational.guardian_invitation for insert to {service}
    with check (dependent_id = (select operational.context_person()) and made_by is null
                and clinic_id = (select operational.context_clinic()) and confirmed_at is null);
create policy at_clinic on operational.guardian_invitation for select to {service}
    using (clinic_id = (select operational.context_clinic()));
grant update (code_hash, expires_at, contact, document, confirmed_by, confirmed_at, guardianship_id, contested_at,
    revoked_by, revoke_reason) on operational.guardian_invitation to {service};
create policy rotating on operational.guardian_invitation to {rotator} using (true) with check (true);
grant select (invitation_id, contact), update (contact) on operational.guardian_invitation to {rotator};
-- The adult sees what is proposed of them.
create policy own on operational.guardian_invitation for select to {family}
    using (basis is not null and dependent_id = (select operational.context_person()));
grant select (invitation_id, dependent_id, clinic_id, basis, ends_on, made_at, expires_at, confirmed_at, redeemed_at,
    revoked_at, contested_at, guardianship_id) on operational.guardian_invitation to {family};
-- Which admin gave a role; null of the operator's. Nobody confirms what was proposed by who made them a manager.
alter table operational.principal_role add column given_by uuid references operational.principal;

-- What a newcomer booked on a clinic's page is held for a while, and released if nobody proves the contact by then.
alter table operational.booking_setting
    add column hold_minutes smallint not null default 60 check (hold_minutes between 5 and 10080);
alter table operational.appointment add column held_until timestamptz;
create index appointment_held on operational.appointment (clinic_id, held_until)
    where held_until is not null and status = 'booked';
alter table operational.appointment_event
    drop constraint appointment_event_reason_check,
    add constraint appointment_event_reason_check check (reason in (
        'patient_asked', 'clinic_asked', 'specialist_away', 'entered_wrongly', 'other', 'not_verified'));

-- Until when a guardianship was to last that was ended before: what its undoing gives back.
alter table operational.guardianship add column was_until date;

-- Dependents and plans that are asked for once, however often they are sent: keyed hashes of the key and of the request.
alter table operational.guardianship
    add column key_digest text check (length(key_digest) = 64),
    add column request_digest text check (length(request_digest) = 64),
    add check ((key_digest is null) = (request_digest is null));
create unique index guardianship_key on operational.guardianship (guardian_id, key_digest) where key_digest is not null;
alter table operational.treatment_plan
    add column requested_by uuid references operational.principal,
    add column key_digest text check (length(key_digest) = 64),
    add column request_digest text check (length(request_digest) = 64),
    add check (num_nulls(requested_by, key_digest, request_digest) in (0, 3));
create unique index treatment_plan_key on operational.treatment_plan (clinic_id, requested_by, key_digest)
    where key_digest is not null;
