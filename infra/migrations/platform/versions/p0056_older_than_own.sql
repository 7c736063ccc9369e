-- Nobody can tell what was read elsewhere, or when its text was made: it is older than each of the clinic's own, whenever it
-- was brought. policies/consent.py says the same.
create or replace function operational.consent_ends(
    of_clinic integer, of_person uuid, of_purpose text, of_version text, of_signer uuid, signed_at timestamptz,
    of_end timestamptz)
returns table (outdated_at timestamptz, lapses_at timestamptz, ends_at timestamptz)
language sql stable rows 1
as $$
    select o.outdated_at, l.lapses_at, least(of_end, o.outdated_at, l.lapses_at)
    from (
        select min(newer.required_from) as outdated_at
        from operational.consent_text as t
        inner join operational.consent_text as newer
            on newer.clinic_id = t.clinic_id and newer.purpose = t.purpose
                and (newer.created_at > t.created_at or t.imported)
        where t.clinic_id = of_clinic and t.purpose = of_purpose and t.text_version = of_version
    ) as o
    cross join (
        select case when of_signer <> of_person and (signed_at at time zone 'UTC')::date < b.of_age
                    then (b.of_age + k.consent_grace_days)::timestamp at time zone 'UTC' end as lapses_at
        from operational.clinic as k
        left join lateral (
            select (q.birth_date + make_interval(years => operational.majority_age(k.country)))::date as of_age
            from operational.profile as q where q.person_id = of_person
        ) as b on true
        where k.clinic_id = of_clinic
    ) as l $$;
select operational.settle_consents(null, null);
