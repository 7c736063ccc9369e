-- Rows in quarantine: tried again as they came in, and listed without their content for those who run the platform.

-- What the rows of an import are tried again with: its mapping, the line of names of a CSV file, the clinic that was
-- given. No kind: such rows cannot be, or came in before this.
alter table operational.import_batch
    add column kind text check (kind in ('csv', 'fhir')),
    add column mapping jsonb,
    add column header text[],
    add column clinic text;

-- Whether `done` is what the status of a request presumes: no record of the doing says it.
alter table operational.adherence add column presumed boolean not null default false;

-- Answers of FHIR are known by their question, and no longer by their place among the others.
update operational.form_answer as a set source_id = n.source_id
from (
    select
        clinic_id, answer_id,
        split_part(source_id, '#', 1) || '#' || question || '/' || row_number() over (
            partition by clinic_id, form_id, question order by split_part(source_id, '#', 2)::integer
        ) - 1 as source_id
    from operational.form_answer
    where source_id ~ '^QuestionnaireResponse/[^#]+#[0-9]+$'
) as n
where a.clinic_id = n.clinic_id and a.answer_id = n.answer_id;

alter table operational.quarantine add column retry_asked_at timestamptz;
create index quarantine_clinic on operational.quarantine (clinic_id, quarantine_id) where resolved_at is null;

create policy viewing on operational.quarantine for select to {viewer}
    using (clinic_id = (select operational.context_clinic()));
grant select (quarantine_id, clinic_id, source, entity, file, line, reason, field, created_at, resolved_at,
              retry_asked_at) on operational.quarantine to {viewer};

create policy asking on operational.quarantine for update to {service}
    using (clinic_id = (select operational.context_clinic()))
    with check (clinic_id = (select operational.context_clinic()));
grant update (retry_asked_at) on operational.quarantine to {service};

create policy retrying on operational.import_batch for select to {service} using (true);
grant select (batch_id, kind) on operational.import_batch to {service};
