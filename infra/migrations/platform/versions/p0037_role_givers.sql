-- Who gave the roles of before p0034, by the log: the newest that was permitted. A role of the operator's has none.
update operational.principal_role as r set given_by = given.principal_id
from (
    select distinct on (e.resource_id, e.clinic_id) e.resource_id, e.clinic_id, p.principal_id
    from audit.access_event as e
    inner join operational.principal as p on p.principal_id = e.principal_id
    where e.action in ('account.add', 'role.give') and e.decision = 'permit'
    order by e.resource_id, e.clinic_id, e.occurred_at desc, e.event_id desc
) as given
where r.given_by is null and given.clinic_id = r.clinic_id and given.resource_id = r.principal_id::text || '/' || r.role;
