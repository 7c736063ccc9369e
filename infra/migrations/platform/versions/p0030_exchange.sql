-- What patients carry from one clinic to another: exports that are signed, and records that were brought.

-- The public keys that exports were ever signed with; of exports alone, as those of receipts are.
create table audit.export_signer (
    verifier text primary key,
    since timestamptz not null default statement_timestamp()
);
alter table audit.export_signer owner to {owner};
alter table audit.export_signer enable row level security, force row level security;
create policy owner_all on audit.export_signer to {owner} using (true) with check (true);
create policy own on audit.export_signer for insert to {service} with check (verifier like 'cloister/%/exports+%');
create policy signed on audit.export_signer for select to {service} using (true);
create trigger append_only before update or delete on audit.export_signer
    for each row execute function audit.refuse_change();
create trigger append_only_truncate before truncate on audit.export_signer
    for each statement execute function audit.refuse_change();
grant select, insert on audit.export_signer to {service};

-- Grain: one export of another clinic that a patient brought to this one. It is this clinic's own record from then on,
-- as it was signed, and nothing of it goes into profiles, records or marts.
create table operational.brought_record (
    clinic_id integer not null,
    brought_id uuid not null,
    patient_id uuid not null,
    -- Who made it, where and when, as its manifest says; and the manifest's SHA-256, which names it.
    issuer text not null check (length(issuer) between 1 and 200),
    origin text not null check (length(origin) between 1 and 200),
    made_at timestamptz not null,
    digest bytea not null check (octet_length(digest) = 32),
    -- Manifest, signature and document in one archive, encrypted.
    content bytea not null,
    channel text not null check (channel in ('patient', 'guardian', 'staff')),
    -- Whose own sign-in brought it; null where staff received it.
    brought_by uuid references operational.person,
    received_at timestamptz not null default statement_timestamp(),
    deleted_at timestamptz,
    deleted_by uuid,
    delete_reason text,
    primary key (clinic_id, brought_id),
    check ((channel = 'staff') = (brought_by is null)),
    foreign key (clinic_id, patient_id) references operational.registration (clinic_id, patient_id)
);
create index brought_record_patient on operational.brought_record (clinic_id, patient_id);
alter table operational.brought_record owner to {owner};
alter table operational.brought_record enable row level security, force row level security;
create policy owner_all on operational.brought_record to {owner} using (true) with check (true);
create policy context on operational.brought_record to {service}
    using (clinic_id = (select operational.context_clinic()))
    with check (clinic_id = (select operational.context_clinic()));
create policy viewing on operational.brought_record for select to {viewer}
    using (clinic_id = (select operational.context_clinic()));
-- A guardian sees what they brought: what the patient did may hold what is hidden from guardians.
create policy own_family on operational.brought_record for select to {family}
    using (exists (select from operational.registration as r
                   where r.clinic_id = brought_record.clinic_id and r.patient_id = brought_record.patient_id
                     and ((select operational.context_person()) in (r.person_id, brought_record.brought_by))));
create trigger refuse_delete before delete or truncate on operational.brought_record
    for each statement execute function operational.refuse_delete();
grant select, insert, update (patient_id, deleted_at, deleted_by, delete_reason) on operational.brought_record to {service};
grant select on operational.brought_record to {viewer};
grant select (clinic_id, brought_id, patient_id, issuer, origin, made_at, digest, channel, brought_by, received_at,
    deleted_at) on operational.brought_record to {family};
create policy rotating on operational.brought_record to {rotator} using (true) with check (true);
grant select (clinic_id, brought_id, content), update (content) on operational.brought_record to {rotator};

-- A wrapped key opens nothing by itself; the rows that stand under it are guarded above.
create policy brought on operational.data_key for select to {viewer} using (purpose = 'brought');
