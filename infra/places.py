"""Where a clinic is: its time zone, which says what a day is there, and its country, which says who is of age."""

from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

# ISO 3166-1 of 2024. `ZZ`, which ISO leaves to its users, stands for none that is known.
_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW ZZ
"""
COUNTRIES = frozenset(_CODES.split())
# Files of the zone database that are no place, or that of this machine.
_NO_ZONES = {"Factory", "localtime", "posixrules"}


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA time zone database."""
    return frozenset(available_timezones() - _NO_ZONES)


@cache
def zones_to_choose() -> list[str]:
    """Those that name a region and a place, and UTC: the others are older names of the same."""
    return sorted(zone for zone in time_zones() if ("/" in zone and not zone.startswith("Etc/")) or zone == "UTC")


def _zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError("is no time zone")
    return name


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError("is no country")
    return code


TimeZone = Annotated[
    str,
    Field(max_length=60, description="Of the IANA database, such as `Europe/Berlin`."),
    AfterValidator(_zone),
]
Country = Annotated[
    str,
    Field(max_length=2, description="ISO 3166-1, two letters; `ZZ`: none is known."),
    AfterValidator(_country),
]
