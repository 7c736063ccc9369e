"""Campaigns in the database: members as the clinic's reader, whom one may write to as its viewer, the rest as the
service.
"""

import json
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.gateway import Work
from api.messages.campaigns import TABLE, UNDER_WAY
from api.messages.port import MessageKind
from api.messages.queueing import PURPOSE
from api.messages.reach import REACH_OF, REACHED, Reach
from api.sealing import purpose_keys
from api.segments.withheld import WITHHELD
from infra.encryption.codec import Place
from infra.encryption.field_codec import FieldCodec
from infra.errors import NotThere
from policies.small_counts import SMALLEST

MOST_SHOWN = 50

_SEGMENT = sql.SQL("""
select segment_id from segment where slug = %(slug)s and (archived_at is null or %(archived_too)s)""")
# Whose profile is withheld is not in a segment that depends on it, whatever the mart still holds.
_MEMBERS = sql.SQL("""
select m.patient_id
from segment_member as m
inner join segment_dependence as d on d.segment_id = m.segment_id
inner join raw_patients as p on p.patient_id = m.patient_id
where m.segment_id = %(segment)s and m.left_at is null and not (d.profile_dependent and {withheld})""").format(
    withheld=WITHHELD.format(patient=sql.SQL("p.patient_id"))
)
_REACH = sql.SQL(REACH_OF)
# With the ids of those who are counted with few others.
_FEW = f"case when count(*) < {SMALLEST} then array_agg(patient_id) else '{{}}' end as few"
_COUNTS = sql.SQL(f"select reach, count(*) as patients, {_FEW} from ({REACH_OF}) as patient group by reach")  # nosec B608 # constants
# Of two requests with one key at once the second waits, and finds the first's.
_BEGIN = sql.SQL("""
insert into operational.campaign
    (clinic_id, campaign_id, segment_id, content, key_digest, request_digest, started_by)
values (%(clinic)s, %(campaign)s, %(segment)s, %(content)s, %(key_digest)s, %(request_digest)s, %(by)s)
on conflict (clinic_id, started_by, key_digest) do nothing
returning campaign_id""")
_DONE = sql.SQL("""
select campaign_id, request_digest from operational.campaign
where clinic_id = %(clinic)s and started_by = %(by)s and key_digest = %(key_digest)s""")
_WRITE = sql.SQL("""
insert into operational.message
    (message_id, kind, clinic_id, patient_id, person_id, about_id, state, failure)
select
    gen_random_uuid(), %(kind)s, %(clinic)s, t.patient_id, t.person_id, %(campaign)s,
    case when t.reach = any(%(reached)s::text[]) then 'pending' else 'withheld' end,
    case when t.reach <> all(%(reached)s::text[]) then t.reach end
from unnest(%(patients)s::uuid[], %(people)s::uuid[], %(reaches)s::text[]) as t (patient_id, person_id, reach)""")
_CAMPAIGNS = sql.SQL("""
select campaign_id, segment_id, content, started_at, started_by, stopped_at
from operational.campaign
where
    clinic_id = %(clinic)s and segment_id = %(segment)s
    and (%(campaign)s::uuid is null or campaign_id = %(campaign)s)
order by started_at desc, campaign_id limit %(most)s""")
# A guardian's copy is about the patient: whom any copy reached was reached.
_PROGRESS = sql.SQL(f"""
select about_id as campaign_id, status, reason, count(*) as patients, {_FEW}
from (
    select
        about_id, patient_id,
        case
            when bool_or(state = 'sent') then 'sent'
            when bool_or(state = 'pending') then 'waiting'
            when bool_or(state = 'stopped') then 'stopped'
            when bool_or(state = 'dead') then 'failed'
            else 'withheld'
        end as status,
        coalesce(min(failure) filter (where state = 'withheld'), 'no_contact') as reason
    from operational.message
    where clinic_id = %(clinic)s and about_id = any(%(campaigns)s::uuid[]) and kind = 'campaign'
    group by about_id, patient_id
) as patient
group by about_id, status, reason""")  # nosec B608 # constants
_STOP = sql.SQL("""
update operational.campaign set stopped_at = statement_timestamp(), stopped_by = %(by)s
where clinic_id = %(clinic)s and campaign_id = %(campaign)s and stopped_at is null""")
# What a sender has in its hands leaves.
_HOLD_BACK = sql.SQL("""
update operational.message set state = 'stopped', failure = null
where
    clinic_id = %(clinic)s and about_id = %(campaign)s and kind = 'campaign' and state = 'pending'
    and failure is distinct from %(under_way)s""")


async def find(work: Work, slug: str, *, archived_too: bool = False) -> UUID:
    """The segment of a slug, as the clinic's reader; the event names it.

    Raises:
        NotThere: there is none.
    """
    rows = [] if "\x00" in slug else await work.run(_SEGMENT, slug=slug, archived_too=archived_too)
    if not rows:
        raise NotThere("no such segment")
    work.name_resource(slug)
    segment: UUID = rows[0]["segment_id"]
    return segment


async def counts(work: Work, segment: UUID) -> tuple[dict[Reach, int], list[UUID]]:
    """How many present members are reached, and by what, or why not, and who is counted with few others.

    The work goes on as the service.
    """
    rows = await _asked(work, segment, _COUNTS)
    return {Reach(row["reach"]): row["patients"] for row in rows}, [each for row in rows for each in row["few"]]


async def audience(work: Work, segment: UUID) -> list[dict[str, Any]]:
    """Each present member with the person and the `reach`; the work goes on as the service."""
    return await _asked(work, segment, _REACH)


async def begin(
    work: Work, codec: FieldCodec, segment: UUID, said: dict[str, str], key_digest: str, request_digest: str
) -> tuple[UUID, bool, str]:
    """A campaign of this key; its id, whether it is new, and the digest of the request that began it."""
    newest, *_ = await purpose_keys(work, codec, PURPOSE)
    campaign, by = uuid4(), work.caller.principal.principal_id
    sealed = codec.seal(newest, Place(TABLE, "content", str(campaign)), json.dumps(said).encode())
    at: dict[str, Any] = {"clinic": work.clinic_id, "by": by, "key_digest": key_digest}
    if await work.run(_BEGIN, **at, campaign=campaign, segment=segment, content=sealed, request_digest=request_digest):
        return campaign, True, request_digest
    (row,) = await work.run(_DONE, **at)
    return row["campaign_id"], False, row["request_digest"]


async def write(work: Work, campaign: UUID, members: list[dict[str, Any]]) -> list[UUID]:
    """Queue a message for each member who may be written to, and note of the others why not; who the former are."""
    columns = {name: [row[name] for row in members] for name in ("patient_id", "person_id", "reach")}
    await work.run(
        _WRITE,
        kind=MessageKind.CAMPAIGN.value,
        clinic=work.clinic_id,
        campaign=campaign,
        reached=list(REACHED),
        patients=columns["patient_id"],
        people=columns["person_id"],
        reaches=columns["reach"],
    )
    return [row["patient_id"] for row in members if row["reach"] in REACHED]


async def campaigns(work: Work, codec: FieldCodec, segment: UUID, campaign: UUID | None = None) -> list[dict[str, Any]]:
    """The campaigns to a segment, or one of them, the newest first: `said` is what was sealed."""
    rows = await work.run(_CAMPAIGNS, clinic=work.clinic_id, segment=segment, campaign=campaign, most=MOST_SHOWN)
    keys = await purpose_keys(work, codec, PURPOSE)
    for row in rows:
        place = Place(TABLE, "content", str(row["campaign_id"]))
        row["said"] = json.loads(codec.open(keys, place, row.pop("content")))
    return rows


async def progress(work: Work, of: list[UUID]) -> list[dict[str, Any]]:
    """How many patients of each campaign are in which status, why they are withheld, and who is one of a few."""
    return await work.run(_PROGRESS, clinic=work.clinic_id, campaigns=of)


async def stop(work: Work, campaign: UUID) -> None:
    """Have what is not sent yet not sent."""
    by = work.caller.principal.principal_id
    await work.run(_STOP, clinic=work.clinic_id, campaign=campaign, by=by)
    await work.run(_HOLD_BACK, clinic=work.clinic_id, campaign=campaign, under_way=UNDER_WAY)


async def _asked(work: Work, segment: UUID, query: sql.SQL) -> list[dict[str, Any]]:
    patients = [row["patient_id"] for row in await work.run(_MEMBERS, segment=segment)]
    work.view()
    found = await work.run(query, clinic=work.clinic_id, patients=patients)
    await work.serve()
    return found
