-- Who books at a clinic that is new to them is its patient only once that is done: the booking is its event all the same.
drop policy own_family on audit.access_event;
create policy own_family on audit.access_event for insert to {family}
    with check ((clinic_id is null or action = 'own_appointment.book'
                 or exists (select from operational.registration as r where r.clinic_id = access_event.clinic_id))
                and occurred_at between now() - interval '5 minutes' and now() + interval '5 minutes');
