"""What a database server writes into its own log: nothing that holds values of patients.

The embedded one is set up like that (`infra/postgres/tuning.py`); of another the operator says it, on the server or
for our logins.
"""

from infra.database import Server, connect
from infra.errors import Misconfigured
from infra.roles import Login
from infra.settings import Mode, Settings

# DETAIL lines hold the values of rows; parameters beside an error are values.
_DISCREET = {"log_error_verbosity": "terse", "log_parameter_max_length_on_error": "0"}
# Statements hold none, but their parameters do: fine if no statement is logged, or no parameter.
_STATEMENTS = {"log_statement": "none", "log_min_duration_statement": "-1"}
_PARAMETERS = "log_parameter_max_length"
_ASKED = [*_DISCREET, *_STATEMENTS, _PARAMETERS]


def wordy_settings(at: Server) -> list[str]:
    """Settings by which the server's log would hold values of what any of our logins does, each as `name = value`.

    Raises:
        DatabaseUnavailable: no database, or not set up.
    """
    found: set[str] = set()
    for login in Login:
        with connect(login, at=at) as connection:
            rows = connection.execute("select name, setting from pg_settings where name = any(%s)", [_ASKED]).fetchall()
        found |= {f"{name} = {value}" for name, value in _wordy(dict(rows)).items()}
    return sorted(found)


def _wordy(settings: dict[str, str]) -> dict[str, str]:
    found = {name: settings[name] for name, discreet in _DISCREET.items() if settings[name] != discreet}
    if any(settings[name] != none for name, none in _STATEMENTS.items()) and settings[_PARAMETERS] != "0":
        found[_PARAMETERS] = settings[_PARAMETERS]
    return found


def refuse_wordy_log(chosen: Settings, at: Server) -> None:
    """Production mode starts on a server whose log holds no values.

    Raises:
        Misconfigured: it would; names the settings.
        DatabaseUnavailable: no database, or not set up.
    """
    if chosen.effective_mode is Mode.PRODUCTION and (wordy := wordy_settings(at)):
        raise Misconfigured(
            f"the database server's log would hold values of patients: {', '.join(wordy)}",
            hint="set log_error_verbosity = terse and both lengths of parameters = 0, for the server or our logins",
        )
