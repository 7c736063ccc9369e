-- Forms that are answered through the API, and treatment plans with exercises that are ticked off.

-- A version of a template never changes: a form says which one it was answered by.
alter table operational.form_template
    add column kind text not null default 'questionnaire' check (kind in ('intake', 'consent', 'questionnaire')),
    add column purpose text check (purpose in ('profile_sharing', 'communications')),
    add column due_days smallint not null default 14 check (due_days between 0 and 366),
    add column expire_days smallint check (expire_days between 0 and 366),
    add column confidential boolean not null default false,
    add column scores jsonb not null default '[]',
    add column saved_by uuid,
    add check ((kind = 'consent') = (purpose is not null));

alter table operational.form
    -- What it was assigned for: none is assigned twice for the same.
    add column occasion text check (length(occasion) between 1 and 100),
    -- The last day that it can be answered on; null is for ever.
    add column expires_on date,
    -- What completing it signed.
    add column consent_event_id uuid references operational.consent_event;
create unique index form_occasion on operational.form (clinic_id, patient_id, template, occasion)
    where occasion is not null and deleted_at is null;

-- All answers to one form as they were given, encrypted under the purpose `forms`: free text and signatures stand
-- nowhere else. What segments read goes to form_answer when the form is completed, and never changes from then on.
create table operational.form_sealed (
    clinic_id integer not null,
    form_id uuid not null,
    content bytea not null,
    primary key (clinic_id, form_id),
    foreign key (clinic_id, form_id) references operational.form (clinic_id, form_id)
);

-- An exercise of a plan, from a day to a day: a changed plan has other exercises from the next day on, and its past stays.
create table operational.exercise (
    clinic_id integer not null,
    exercise_id uuid not null default gen_random_uuid(),
    patient_id uuid not null,
    plan_id uuid not null,
    name text not null check (length(name) between 1 and 200),
    instructions text not null default '' check (length(instructions) <= 4000),
    times smallint not null check (times between 1 and 20),
    -- ISO 8601: 1 is Monday, 7 is Sunday.
    weekdays smallint[] not null check (weekdays <@ '{{1,2,3,4,5,6,7}}' and cardinality(weekdays) between 1 and 7),
    starts_on date not null,
    ends_on date not null,
    changed_at timestamptz not null default now(),
    primary key (clinic_id, exercise_id),
    -- Replaced before its first day, it has no day at all.
    check (ends_on >= starts_on - 1),
    foreign key (clinic_id, plan_id) references operational.treatment_plan (clinic_id, plan_id),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create index exercise_plan on operational.exercise (clinic_id, plan_id);

-- Grain: one exercise on one day, how often it was done and who said so last. Adherence holds the day's sum.
create table operational.exercise_done (
    clinic_id integer not null,
    exercise_id uuid not null,
    day date not null,
    patient_id uuid not null,
    plan_id uuid not null,
    times smallint not null check (times between 0 and 20),
    done_by uuid not null references operational.person,
    changed_at timestamptz not null default now(),
    primary key (clinic_id, exercise_id, day),
    foreign key (clinic_id, exercise_id) references operational.exercise (clinic_id, exercise_id),
    foreign key (clinic_id, plan_id) references operational.treatment_plan (clinic_id, plan_id),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create index exercise_done_day on operational.exercise_done (clinic_id, plan_id, day);

do $$
declare t text;
begin
    foreach t in array array['form_sealed', 'exercise', 'exercise_done'] loop
        execute format('alter table operational.%I owner to {owner}', t);
        execute format('alter table operational.%I enable row level security, force row level security', t);
        execute format('create policy owner_all on operational.%I to {owner} using (true) with check (true)', t);
        execute format('create policy context on operational.%I to {service}
            using (clinic_id = (select operational.context_clinic()))
            with check (clinic_id = (select operational.context_clinic()))', t);
        execute format('create policy viewing on operational.%I for select to {viewer}
            using (clinic_id = (select operational.context_clinic()))', t);
        execute format('create trigger refuse_delete before delete or truncate on operational.%I
            for each statement execute function operational.refuse_delete()', t);
        execute format('grant select, insert, update on operational.%I to {service}', t);
        execute format('grant select on operational.%I to {viewer}, {family}', t);
    end loop;
    -- Families see of these what they see of the form or plan.
    execute 'create policy own_family on operational.form_sealed for select to {family}
        using (exists (select from operational.form as f
                       where f.clinic_id = form_sealed.clinic_id and f.form_id = form_sealed.form_id))';
    foreach t in array array['exercise', 'exercise_done'] loop
        execute format('create policy own_family on operational.%1$I for select to {family}
            using (exists (select from operational.treatment_plan as p
                           where p.clinic_id = %1$I.clinic_id and p.plan_id = %1$I.plan_id))', t);
    end loop;
end $$;
-- A wrapped key opens nothing by itself; the rows that stand under it are guarded above.
create policy forms on operational.data_key for select to {viewer}, {family} using (purpose = 'forms');

grant select (form_id, content), update (content) on operational.form_sealed to {rotator};
create policy rotating on operational.form_sealed to {rotator} using (true) with check (true);

-- Who was shown what is confidential, and who marked it, guardians do not learn either; the patient does.
create policy not_confidential on audit.access_event as restrictive for select to {family}
    using (not 'confidential' = any (categories)
           or exists (select from audit.disclosure as d
                      inner join operational.registration as r
                          on r.clinic_id = d.clinic_id and r.patient_id = d.patient_id
                      where d.event_id = access_event.event_id and d.occurred_at = access_event.occurred_at
                        and r.person_id = (select operational.context_person())));
