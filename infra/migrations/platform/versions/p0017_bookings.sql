-- Bookings: what a clinic offers, who offers it, and appointments that nobody can book twice.
create extension if not exists btree_gist with schema operational;

create table operational.service (
    clinic_id integer not null references operational.clinic,
    service text not null check (service ~ '^[a-z0-9][a-z0-9_-]{{0,59}}$'),
    name text not null check (length(name) between 1 and 200),
    modality text not null check (modality in ('in_person', 'video')),
    minutes smallint not null check (minutes between 5 and 480),
    -- Forms of each booking, and the specialists who offer it, by their names.
    templates text[] not null,
    specialists text[] not null,
    is_open boolean not null,
    changed_at timestamptz not null default now(),
    primary key (clinic_id, service)
);

-- Named as the clinic's records name them; a booking holds this row while it looks whether they are free.
create table operational.specialist (
    clinic_id integer not null references operational.clinic,
    name text not null check (length(name) between 1 and 200),
    is_active boolean not null,
    changed_at timestamptz not null default now(),
    primary key (clinic_id, name)
);

create table operational.booking_setting (
    clinic_id integer primary key references operational.clinic,
    -- Forms of each new registration.
    templates text[] not null,
    days_ahead smallint not null check (days_ahead between 1 and 1100),
    changed_at timestamptz not null default now()
);

alter table operational.appointment
    add column ends_at timestamptz check (ends_at > starts_at),
    -- What an import brings has no end and stays free: the past is as it was.
    add constraint specialist_is_free exclude using gist (
        clinic_id with =, specialist with =, tstzrange(starts_at, ends_at) with &&
    ) where (ends_at is not null and specialist is not null and deleted_at is null
             and status not in ('cancelled', 'noshow')),
    -- What is hidden from guardians is in nobody's way: a guardian who books would find it.
    add constraint patient_is_free exclude using gist (
        clinic_id with =, patient_id with =, tstzrange(starts_at, ends_at) with &&
    ) where (ends_at is not null and not confidential and deleted_at is null
             and status not in ('cancelled', 'noshow'));
create index appointment_day on operational.appointment (clinic_id, starts_on);

-- What became of an appointment: every step, when, by whom in which role. The reason is a word, never a story.
create table operational.appointment_event (
    clinic_id integer not null,
    event_id uuid not null default gen_random_uuid(),
    appointment_id uuid not null,
    step text not null check (step in (
        'book', 'reschedule', 'cancel', 'arrive', 'complete', 'no_show', 'correct')),
    from_status text,
    to_status text not null,
    from_starts_at timestamptz,
    to_starts_at timestamptz,
    role text not null,
    reason text check (reason in (
        'patient_asked', 'clinic_asked', 'specialist_away', 'entered_wrongly', 'other')),
    happened_at timestamptz not null default now(),
    primary key (clinic_id, event_id),
    foreign key (clinic_id, appointment_id) references operational.appointment (clinic_id, appointment_id)
);
create index appointment_event_appointment on operational.appointment_event (clinic_id, appointment_id);

create table operational.video_room (
    clinic_id integer not null,
    appointment_id uuid not null,
    room text not null unique check (length(room) >= 32),
    primary key (clinic_id, appointment_id),
    foreign key (clinic_id, appointment_id) references operational.appointment (clinic_id, appointment_id)
);

-- The patient whom a booking system of the clinic means by its own id: the only way it finds one again. It names the
-- registration, which stays when its person turns out to be another one. Written before it, so that of two at once
-- the second waits and finds the first's.
create table operational.patient_source (
    clinic_id integer not null,
    source text not null,
    source_id text not null check (length(source_id) between 1 and 200),
    patient_id uuid not null,
    primary key (clinic_id, source, source_id),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
        deferrable initially deferred
);

-- Requests that were done: keyed hashes of the key and of what was asked for, and the appointment; no payload.
create table operational.booking_request (
    clinic_id integer not null,
    principal_id uuid not null references operational.principal,
    key_digest text not null check (length(key_digest) = 64),
    request_digest text not null check (length(request_digest) = 64),
    appointment_id uuid not null,
    requested_at timestamptz not null default now(),
    primary key (clinic_id, principal_id, key_digest),
    foreign key (clinic_id, appointment_id) references operational.appointment (clinic_id, appointment_id)
        deferrable initially deferred
);

do $$
declare t text;
begin
    foreach t in array array['service', 'specialist', 'booking_setting', 'appointment_event', 'video_room',
                             'patient_source', 'booking_request'] loop
        execute format('alter table operational.%I owner to {owner}', t);
        execute format('alter table operational.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on operational.%I to {owner} using (true) with check (true)', t);
        execute format('create policy context on operational.%I to {service}
            using (clinic_id = (select operational.context_clinic()))
            with check (clinic_id = (select operational.context_clinic()))', t);
        execute format('create trigger refuse_delete before delete or truncate on operational.%I
            for each statement execute function operational.refuse_delete()', t);
        execute format('grant select, insert on operational.%I to {service}', t);
    end loop;
    -- Rows of these alone change: what happened stays.
    foreach t in array array['service', 'specialist', 'booking_setting', 'patient_source'] loop
        execute format('grant update on operational.%I to {service}', t);
    end loop;
    foreach t in array array['service', 'video_room'] loop
        execute format('create policy viewing on operational.%I for select to {viewer}
            using (clinic_id = (select operational.context_clinic()))', t);
        execute format('grant select on operational.%I to {viewer}, {family}', t);
    end loop;
end $$;
create policy own_family on operational.service for select to {family}
    using (exists (select from operational.registration as r where r.clinic_id = service.clinic_id));
create policy own_family on operational.video_room for select to {family}
    using (exists (select from operational.appointment as a
                   where a.clinic_id = video_room.clinic_id and a.appointment_id = video_room.appointment_id));
