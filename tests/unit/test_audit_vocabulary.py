"""The access log has a word for everything that is done: whatever comes to be done needs one here, or a reason."""

import dagster as dg
import typer
from test_docs import commands

from infra.cli.main import build
from orchestration.definitions import defs
from orchestration.graph import MODELS
from orchestration.ingest.sources import Asset
from policies.classification import ASSET_CATEGORIES
from policies.words import AccountAction, Action, ProcessAction

NO_DATA = "shows or changes neither patients nor configuration"
# What each command leaves in the log.
COMMANDS: dict[str, set[ProcessAction | AccountAction] | str] = {
    "cloister api-key add": {AccountAction.API_KEY_ADD, AccountAction.ROLE_GRANT, AccountAction.PRINCIPAL_ADD},
    "cloister api-key list": NO_DATA,
    "cloister api-key revoke": {AccountAction.API_KEY_REVOKE},
    "cloister api-key rotate": {AccountAction.API_KEY_ROTATE},
    "cloister audit archive": {ProcessAction.LOG_ARCHIVE},
    "cloister audit checkpoint": "prints a hash and a signature, which tell of nobody",
    "cloister audit export": {ProcessAction.LOG_EXPORT},
    "cloister audit key rotate": {ProcessAction.KEY_ROTATE},
    "cloister audit key show": NO_DATA,
    "cloister audit verify": "reads a file, and no database",
    "cloister clinic add": {ProcessAction.CLINIC_ADD},
    "cloister clinic configure": {ProcessAction.CLINIC_CONFIGURE},
    "cloister clinic consent-grace": {ProcessAction.CLINIC_CONFIGURE},
    "cloister consent keys": NO_DATA,
    "cloister consent verify": "reads a file, and no database",
    "cloister demo": "made of the commands of this list, each with its own events",
    "cloister down": NO_DATA,
    "cloister export keys": NO_DATA,
    "cloister export rotate-key": {ProcessAction.KEY_ROTATE},
    "cloister export verify": "reads a file, and no database",
    "cloister import csv": {ProcessAction.IMPORT_CSV},
    "cloister import fhir": {ProcessAction.IMPORT_FHIR},
    "cloister import schema": NO_DATA,
    "cloister issuer rotate": {AccountAction.ISSUER_KEY_ROTATE},
    "cloister keys rotate": {ProcessAction.KEY_ROTATE, ProcessAction.KEY_RETIRE},
    "cloister keys status": NO_DATA,
    "cloister live": {
        ProcessAction.LIVE,
        ProcessAction.CONSENT_PROPAGATE,
        ProcessAction.IMPORT_CSV,
        ProcessAction.IMPORT_FHIR,
    },
    "cloister live retry": {ProcessAction.LIVE, ProcessAction.LIVE_RETRY},
    "cloister materialize": {
        ProcessAction.INGEST,
        ProcessAction.BUILD,
        ProcessAction.CONSENT_PROPAGATE,
        ProcessAction.CHECK,
    },
    "cloister messages retry": {ProcessAction.MESSAGE_RETRY},
    "cloister messages send": {ProcessAction.MESSAGE_SEND},
    "cloister messages status": NO_DATA,
    "cloister migrate": "brings tables to this release's form, which the revisions' own table tells",
    "cloister quarantine list": "shows reasons and places, and nobody",
    "cloister quarantine retry": {ProcessAction.IMPORT_CSV, ProcessAction.IMPORT_FHIR},
    "cloister quarantine show": {ProcessAction.QUARANTINE_SHOW},
    "cloister sample": "writes files of made-up patients",
    "cloister seal": "adds leaves to the log, which are made of its events",
    "cloister segment add": {ProcessAction.SEGMENT_SAVE},
    "cloister segment counts": {ProcessAction.SEGMENT_COUNTS},
    "cloister serve": {ProcessAction.SERVE, ProcessAction.BOOKING_RELEASE},
    "cloister status": NO_DATA,
    "cloister token": {AccountAction.TOKEN_ISSUE},
    "cloister up": NO_DATA,
    "cloister webhooks": {ProcessAction.WEBHOOK_SEND, ProcessAction.WEBHOOK_DISABLE},
    "cloister user add": {AccountAction.PRINCIPAL_ADD, AccountAction.ROLE_GRANT},
    "cloister user code": "prints a code of a demo's account, which is good for half a minute",
    "cloister user demo": {AccountAction.PRINCIPAL_ADD, AccountAction.ROLE_GRANT, AccountAction.SPECIALIST_LINK},
    "cloister user booking-page": {
        AccountAction.PRINCIPAL_ADD,
        AccountAction.ROLE_GRANT,
        AccountAction.API_KEY_REVOKE,
    },
    "cloister user link": {AccountAction.IDENTITY_LINK},
    "cloister user reset-codes": {AccountAction.SECOND_FACTOR_RESET},
    "cloister user specialist": {AccountAction.SPECIALIST_LINK},
    "cloister user unlink": {AccountAction.IDENTITY_UNLINK},
}
# What each asset of a Dagster run leaves, an event a clinic.
ASSETS = {asset.value: ProcessAction.INGEST for asset in Asset} | dict.fromkeys(MODELS, ProcessAction.BUILD)

# What each job leaves, an event a clinic at least; schedules run these and nothing else.
JOBS = {
    "build_marts": {ProcessAction.INGEST, ProcessAction.BUILD, ProcessAction.CHECK},
    "check_members": {ProcessAction.CHECK},
}


def test_every_command_has_its_events_or_a_reason_for_none() -> None:
    assert set(COMMANDS) == set(commands(typer.main.get_command(build())))


def test_every_asset_and_job_of_dagster_has_its_event() -> None:
    found = {key.to_user_string() for key in defs.resolve_all_asset_keys()}
    assert found == set(ASSETS)
    # A job does nothing but make assets, or count what differs in them.
    assert {job.name for job in defs.jobs or ()} == set(JOBS) and not defs.sensors
    scheduled = [schedule for schedule in defs.schedules or () if isinstance(schedule, dg.ScheduleDefinition)]
    assert len(scheduled) == len(list(defs.schedules or ()))
    assert {schedule.job_name for schedule in scheduled} <= set(JOBS)
    assert set(ASSET_CATEGORIES) == set(Asset)


def test_every_word_of_a_process_is_some_commands() -> None:
    of_commands = [words for words in COMMANDS.values() if not isinstance(words, str)]
    used = {word for words in [*of_commands, *JOBS.values()] for word in words}
    assert set(ProcessAction) == {word for word in used if isinstance(word, ProcessAction)}


def test_no_word_stands_for_two_things() -> None:
    everything = [word.value for kind in (Action, AccountAction, ProcessAction) for word in kind]
    assert len(everything) == len(set(everything))
