"""The catalogue as documentation."""

from policies.segments.catalogue import CATALOGUE, Measure


def measures_table() -> str:
    """Every measure as a Markdown table: name, meaning, type, unit and arguments, required ones in bold."""
    head = [("measure", "meaning", "type", "unit", "arguments"), ("---",) * 5]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [*head, *map(_row, CATALOGUE.values())])


def _row(measure: Measure) -> tuple[str, ...]:
    arguments = [f"**{name}**" if argument.required else name for name, argument in measure.arguments.items()]
    window = ["**window**" if measure.needs_window else "window"] if measure.windowed else []
    kind = measure.type.value.replace("_", " ")
    return f"`{measure.name}`", measure.meaning, kind, measure.unit, ", ".join([*arguments, *window])
