"""Names and contact details that can belong to nobody.

Names are put together from syllables. Phone numbers lie in the ranges that Ofcom keeps for drama,
emails are at example.org (RFC 2606), places do not exist.
"""

import numpy as np
import polars as pl

from infra.sample.draw import Flags, pick

GIVEN = (
    ("Tal", "Vor", "Mib", "Zel", "Quo", "Dru", "Xam", "Jev", "Olm", "Bri", "Fen", "Gru", "Hox", "Ivu", "Kez"),
    ("o", "iva", "eth", "uni", "ario", "ezo", "ulla", "ith", "ondo", "asha", "imbe", "ul"),
)
FAMILY = (
    (
        "Ver",
        "Dresk",
        "Pall",
        "Onth",
        "Mirv",
        "Skel",
        "Tamb",
        "Ulg",
        "Zarn",
        "Bov",
        "Crell",
        "Fy",
        "Gond",
        "Hul",
    ),
    ("in", "ari", "oquist", "emba", "utra", "olen", "ivek", "askar", "umo", "enti", "orrow", "ebel"),
)
STREETS = (
    "Birel",
    "Quandle",
    "Tovery",
    "Ampis",
    "Skarrow",
    "Lunter",
    "Oddemar",
    "Fessing",
    "Grulle",
    "Marnip",
)
WAYS = ("Row", "Lane", "Steps", "Walk", "Yard")
TOWNS = ("Tavrona", "Velmouth", "Ossibar", "Dunquay", "Marrenfeld", "Quillport", "Ashimba", "Norvale")

# https://www.ofcom.org.uk: numbers for TV and radio drama, a thousand after each prefix.
DRAMA_PREFIXES = (
    "+44113496", "+44114496", "+44115496", "+44116496", "+44117496", "+44118496", "+44121496",
    "+44131496", "+44141496", "+44151496", "+44161496", "+44191498", "+44207946",
)  # fmt: skip

CLINICS = pl.DataFrame(
    [
        ("velmouth_harbour", "Velmouth Harbour Clinic", "Europe/London", "GB"),
        ("marrenfeld", "Praxis Marrenfeld", "Europe/Berlin", "DE"),
        ("ossibar", "Clínica Ossibar", "America/Sao_Paulo", "BR"),
        ("dunquay_physio", "Dunquay Physiotherapy", "America/New_York", "US"),
        ("ashimba", "Ashimba Health Centre", "Africa/Nairobi", "KE"),
        ("quillport", "Quillport Rehabilitation", "Asia/Singapore", "SG"),
        ("norvale_pain", "Norvale Pain Centre", "Europe/Berlin", "DE"),
        ("tavrona", "Tavrona Family Practice", "America/Sao_Paulo", "BR"),
    ],
    schema=["slug", "name", "time_zone", "country"],
    orient="row",
)


def clinics(count: int) -> pl.DataFrame:
    """`count` invented clinics; beyond the first eight the names are numbered."""
    rounds = [
        CLINICS.with_columns(pl.col("slug") + f"_{turn}", pl.col("name") + f" {turn}") if turn else CLINICS
        for turn in range(-(-count // CLINICS.height))
    ]
    return pl.concat(rounds).head(count)


def given_names(rng: np.random.Generator, size: int) -> pl.Series:
    """First names from syllables."""
    return pick(rng, GIVEN[0], size) + pick(rng, GIVEN[1], size)


def family_names(rng: np.random.Generator, size: int) -> pl.Series:
    """Surnames from syllables."""
    return pick(rng, FAMILY[0], size) + pick(rng, FAMILY[1], size)


def addresses(rng: np.random.Generator, size: int) -> pl.Series:
    """Addresses in towns that do not exist."""
    number = pl.Series(rng.integers(1, 200, size)).cast(pl.String)
    return number + " " + pick(rng, STREETS, size) + " " + pick(rng, WAYS, size) + ", " + pick(rng, TOWNS, size)


def phones(rng: np.random.Generator, size: int) -> pl.Series:
    """Numbers from the drama ranges, each once until all 13,000 are used."""
    numbers = pl.Series([f"{prefix}{last:04}" for prefix in DRAMA_PREFIXES for last in range(1000)])
    order = np.concatenate([rng.permutation(len(numbers)) for _ in range(-(-size // len(numbers)))])
    return numbers.gather(order[:size])


def emails(names: pl.Series, has_one: Flags) -> pl.Series:
    """Addresses at example.org, numbered so that no two people share one."""
    local = names.str.to_lowercase().str.replace(" ", ".", literal=True)
    number = pl.Series(np.arange(1, len(names) + 1)).cast(pl.String)
    found = local + "." + number + "@example.org"
    return found.zip_with(pl.Series(has_one), pl.Series([None] * len(names), dtype=pl.String))
