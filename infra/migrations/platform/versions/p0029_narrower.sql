-- Who sends sees what is to be sent now, and no more.

-- The courier was every clinic's reader; it is a clinic's teller instead, who sees the feed alone.
alter table operational.clinic_role
    drop constraint clinic_role_kind_check,
    add constraint clinic_role_kind_check check (kind in ('builder', 'reader', 'teller'));
insert into operational.clinic_role (role_name, clinic_id, kind)
select regexp_replace(role_name::text, '_reader$', '_teller'), clinic_id, 'teller'
from operational.clinic_role where kind = 'reader';
grant usage on schema operational, audit to {tellers};
grant execute on function operational.role_clinic() to {tellers};
grant select on operational.clinic_role to {tellers};
grant select (clinic_id, patient_id, starts_at, ends_at) on operational.sharing_limit to {tellers};
grant insert on audit.access_event, audit.disclosure to {tellers};
create policy telling on operational.clinic_role for select to {tellers} using (role_name = current_user);
create policy telling on operational.sharing_limit for select to {tellers}
    using (clinic_id = (select operational.role_clinic()));
create policy telling on audit.access_event for insert to {tellers}
    with check (clinic_id = (select operational.role_clinic()) and action in ('webhook.send', 'webhook.disable'));
create policy telling on audit.disclosure for insert to {tellers}
    with check (clinic_id = (select operational.role_clinic()));

-- Of tests one waits at a time.
update operational.webhook_delivery as d set state = 'void', ended_at = statement_timestamp()
where d.kind = 'test' and d.state = 'pending' and exists (
    select from operational.webhook_delivery as newer
    where newer.endpoint_id = d.endpoint_id and newer.kind = 'test' and newer.state = 'pending'
        and newer.position > d.position
);
create unique index webhook_delivery_test on operational.webhook_delivery (endpoint_id)
    where kind = 'test' and state = 'pending';

-- The messenger saw everybody's contacts and birth dates; it sees those of whom it has something for right now: the
-- person, the patient whom a guardian's copy is about, and on either side of a guardianship the other.
create index message_pending_person on operational.message (person_id) where state = 'pending';
create index message_pending_patient on operational.message (clinic_id, patient_id) where state = 'pending';
create index guardianship_guardian on operational.guardianship (guardian_id);
drop policy sending on operational.profile;
create policy sending on operational.profile for select to {messenger} using (
    exists (select from operational.message as m where m.state = 'pending' and m.person_id = profile.person_id)
    or exists (select from operational.registration as r
               inner join operational.message as m on m.clinic_id = r.clinic_id and m.patient_id = r.patient_id
               where m.state = 'pending' and r.person_id = profile.person_id)
    or exists (select from operational.guardianship as g
               inner join operational.message as m on m.person_id = g.guardian_id
               where m.state = 'pending' and g.dependent_id = profile.person_id));
drop policy sending on operational.account_contact;
create policy sending on operational.account_contact for select to {messenger} using (
    exists (select from operational.message as m where m.state = 'pending' and m.person_id = account_contact.person_id)
    or exists (select from operational.registration as r
               inner join operational.message as m on m.clinic_id = r.clinic_id and m.patient_id = r.patient_id
               where m.state = 'pending' and r.person_id = account_contact.person_id)
    or exists (select from operational.guardianship as g
               inner join operational.message as m on m.person_id = g.dependent_id
               where m.state = 'pending' and g.guardian_id = account_contact.person_id));

-- Who was deleted since a pull began.
create index registration_deleted on operational.registration (clinic_id, deleted_at) where deleted_at is not null;

-- The messenger finds whose consent a guardian signed and ends soon.
grant select (event_id) on operational.consent to {messenger};
grant select (event_id, person_id, signer_id) on operational.consent_event to {messenger};
create policy sending on operational.consent_event for select to {messenger} using (true);
grant select (clinic_id, archived_at, consent_grace_days) on operational.clinic to {messenger};
create policy sending on operational.clinic for select to {messenger} using (true);
create index consent_ending on operational.consent (expires_at) where state = 'signed' and expires_at is not null;

-- Of guardians who began on one day the account holder is who was there first.
alter table operational.guardianship add column begun_at timestamptz;
update operational.guardianship as g set begun_at = coalesce((
    select min(i.redeemed_at) from operational.guardian_invitation as i
    where i.dependent_id = g.dependent_id and i.redeemed_by = g.guardian_id and i.redeemed_at >= g.starts_on
), g.starts_on);
alter table operational.guardianship
    alter column begun_at set default clock_timestamp(),
    alter column begun_at set not null;
