-- A signature that ran out, and one that stands again before anybody came for it. Meanwhile no read showed the profile, so
-- whoever follows the feed has passed by what it told: that is taken out all the same, and told anew.
create function operational.note_lapse() returns trigger
language plpgsql security definer set search_path = ''
as $$ begin
    insert into operational.consent_propagation (clinic_id, patient_id, consent_event_id, kind, since)
    select r.clinic_id, r.patient_id, b.event_id, 'expired', greatest(b.expires_at, l.changed_at)
    from before as b
    inner join changed as c using (clinic_id, person_id, purpose)
    inner join operational.registration as r on r.clinic_id = b.clinic_id and r.person_id = b.person_id
    left join operational.sharing_limit as l
        on l.clinic_id = r.clinic_id and l.patient_id = r.patient_id and l.source = 'consent'
    where b.purpose = 'profile_sharing' and b.state = 'signed' and b.expires_at <= clock_timestamp()
        and c.state = 'signed' and coalesce(c.expires_at > clock_timestamp(), true)
    -- Whoever found it first has the same instant.
    on conflict do nothing;
    return null;
end $$;
alter function operational.note_lapse() owner to {owner};
-- By its name before `limit_sharing`, which forgets when the end was moved.
create trigger lapsed after update on operational.consent referencing old table as before new table as changed
    for each statement execute function operational.note_lapse();
