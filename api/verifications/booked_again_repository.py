"""Another booking for somebody who has proven no contact yet: it may bring the right one, or have a code sent."""

from uuid import UUID

from psycopg import sql

from api.gateway import Work
from api.verifications import people_repository as people
from api.verifications import repository
from infra.encryption.field_codec import FieldCodec

# Of one that had all its codes, some day a new one has to begin. One that is being answered needs no code, and is not
# waited for: whoever answers may wait for the registration that a booking holds.
_WAITING = sql.SQL("""
select verification_id, contact_digest, codes, codes >= %(most)s and sent_at < statement_timestamp() - interval '1 day'
    as is_used_up
from operational.verification
where person_id = %(person)s and clinic_id = %(clinic)s and answered_at is null
order by sent_at desc limit 1 for no key update skip locked""")
# Who has the link of another contact is not who is meant any more, once this one has a link.
_END = sql.SQL("""
update operational.verification set answered_at = statement_timestamp()
where person_id = %(person)s and clinic_id = %(clinic)s and answered_at is null and verification_id <> %(newest)s""")


async def send_code_again(work: Work, codec: FieldCodec, *, person: UUID, clinic: int, email: str | None) -> None:
    """A code for a patient whom none has reached: at the email that the booking names, or the one named before.

    Nothing for whoever has an account, or a link to the same contact; and not more codes than anybody gets.

    Raises:
        InvalidInput: no email.
    """
    await work.serve(person)
    waiting = await work.run(_WAITING, person=person, clinic=clinic, most=repository.MOST_CODES)
    if not waiting or not await people.is_provisional(work, person):
        return
    (last,) = waiting
    is_same = email is None or last["contact_digest"] in await repository.digests_of(work, codec, "email", email)
    if email is not None and (last["is_used_up"] or not is_same):
        begun = await repository.start(work, codec, person_id=person, clinic_id=clinic, channel="email", contact=email)
        if begun.sent:
            work.later(_END, person=person, clinic=clinic, newest=begun.verification_id)
    elif last["codes"] == 0:
        await repository.renew(work, codec, last["verification_id"])
