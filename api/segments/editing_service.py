"""Adding, changing and archiving segments: by one editor of a clinic at a time, each step recorded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from api.bodies import given
from api.entity_tags import matches
from api.gateway import Access, Caller, Work
from api.segments import editing_repository as repository
from api.segments.editing_schemas import Archiving, Enabling, NewSegment, Reviving, Saved, SegmentChange
from api.segments.naming import of_values, unknown_names_aside, warnings
from api.segments.rules import dependent, no_rule, rule_of
from api.segments.service import entity_tag
from api.segments.stored import sent_or_stored, together
from api.services import Services
from infra.errors import InvalidInput, NotThere, Refused, Stale
from policies.access.model import Resource
from policies.segments.definition import RESERVED
from policies.segments.rule import Rule, RuleError
from policies.segments.sound import readable
from policies.segments.templates import segment_templates
from policies.segments.text import WrittenRule
from policies.words import Action


@dataclass(frozen=True)
class Known:
    """A segment as it is before an edit, with the slugs that its rule names; without a rule where that is none now."""

    segment_id: UUID
    slug: str
    name: str
    description: str
    version: int
    archived: bool
    profile_dependent: bool
    names: list[str]
    rule: Rule | None

    @property
    def tag(self) -> str:
        """Its entity tag."""
        return entity_tag(self.version, self.name, self.description, archived=self.archived)


@dataclass(frozen=True)
class Edit:
    """An edit under way: the segments there are, by slug, and the slug that it is about."""

    work: Work
    known: dict[str, Known]
    slug: str

    @property
    def segment(self) -> Known:
        """The segment that the edit is about.

        Raises:
            NotThere: there is none of this slug.
        """
        if self.slug not in self.known:
            raise NotThere("no such segment")
        return self.known[self.slug]

    async def put(self, segment: UUID, version: int, new: WrittenRule, *, fires: bool) -> None:
        """Put the rule of a segment's present version there, once the clinic's sound rules fit together with it."""
        in_force = {slug: known for slug, known in self.known.items() if not known.archived}
        rules = together({slug: known.rule for slug, known in in_force.items()}, self.slug, new)
        await repository.put_version(self.work, segment, version, new.rule, fires=fires)
        # Nobody knows what a broken one asks for: it stays as it was.
        broken = [slug for slug, known in in_force.items() if slug not in rules and known.profile_dependent]
        await repository.depend(self.work, dependent(rules) + broken)

    def users(self) -> list[str]:
        """The slugs of those in force that name the segment, broken ones too."""
        return sorted(slug for slug, each in self.known.items() if self.slug in each.names and not each.archived)


async def add(serving: Services, caller: Caller, clinic: str, asked: NewSegment | None) -> tuple[Saved, str]:
    """Add a segment.

    Raises:
        NotThere: no such clinic, or not the caller's to manage.
        InvalidInput: nothing was sent, or no rule; names the place.
        Refused: there is a segment of this slug.
    """
    async with _editing(serving, caller, clinic, asked.slug if asked else "") as edit:
        asked = given(asked)
        new = rule_of(asked.rule)
        saved, tag = await _add(edit, asked.name, asked.description, new, fires=asked.fires)
        unknown = await unknown_names_aside(edit.work, new)
    saved.warnings = await warnings(unknown)
    return saved, tag


async def enable(
    serving: Services, caller: Caller, clinic: str, template: str, asked: Enabling | None
) -> tuple[Saved, str]:
    """Add the segment of a template with chosen values; the same again changes nothing.

    Raises:
        NotThere: no such template or clinic, or not the caller's to manage.
        InvalidInput: a value is none of its parameter's.
        Refused: there is another segment of this slug.
    """
    asked = asked or Enabling()
    async with _editing(serving, caller, clinic, asked.slug or template) as edit:
        found = segment_templates().get(template)
        if found is None:
            raise NotThere("no such template")
        try:
            new = WrittenRule(found.with_values(asked.values))
        except RuleError as error:
            raise no_rule(error, f"body.values.{error.place}".rstrip(".")) from None
        known = edit.known.get(edit.slug)
        if known and not known.archived and known.rule == new.rule:
            saved, tag = Saved(slug=known.slug, version=known.version, changed=False), known.tag
        else:
            saved, tag = await _add(edit, asked.name or found.name, found.description, new, fires=asked.fires)
        unknown = await unknown_names_aside(edit.work, new)
    saved.warnings = of_values(await warnings(unknown), found, asked.values)
    return saved, tag


async def change(
    serving: Services, caller: Caller, clinic: str, slug: str, asked: SegmentChange | None, if_match: str | None
) -> tuple[Saved, str]:
    """Change a segment, if it is still as it was read; another rule makes a new version.

    Raises:
        NotThere: no such segment, or not the caller's to manage.
        InvalidInput: nothing was sent, or not of which version, or no rule; names the place.
        Stale: somebody else changed it meanwhile.
        Refused: it is archived.
    """
    async with _editing(serving, caller, clinic, slug) as edit:
        before, asked = edit.segment, given(asked)
        _check_version(before, if_match)
        if before.archived:
            raise Refused("archived", place="path.segment", rule="archived")
        new = None if asked.rule is None else rule_of(asked.rule)
        version = before.version + (new is not None and new.rule != before.rule)
        name = before.name if asked.name is None else asked.name
        description = before.description if asked.description is None else asked.description
        await repository.change(edit.work, before.segment_id, name, description, version)
        if new is not None and version != before.version:
            await edit.put(before.segment_id, version, new, fires=asked.fires)
        tag = entity_tag(version, name, description, archived=False)
        unknown = None if new is None else await unknown_names_aside(edit.work, new)
    return Saved(slug=slug, version=version, changed=tag != before.tag, warnings=await warnings(unknown)), tag


async def archive(
    serving: Services, caller: Caller, clinic: str, slug: str, asked: Archiving | None
) -> tuple[Saved, str]:
    """Put a segment away: it is listed no more, and has no members.

    Raises:
        NotThere: no such segment, or not the caller's to manage.
        InvalidInput: nothing was sent.
        Refused: others name it, or it is archived.
    """
    async with _editing(serving, caller, clinic, slug) as edit:
        before, asked = edit.segment, given(asked)
        if before.archived:
            raise Refused("archived", place="path.segment", rule="archived")
        if users := edit.users():
            raise Refused("used", place="path.segment", rule="used_by", detail=f"used by {', '.join(users)}")
        await repository.archive(edit.work, before.segment_id, asked.reason)
        return _saved(slug, before.version, entity_tag(before.version, before.name, before.description, archived=True))


async def revive(
    serving: Services, caller: Caller, clinic: str, slug: str, asked: Reviving | None
) -> tuple[Saved, str]:
    """Have an archived segment back, its rule or another one as a new version: whom that brings in fires only if asked.

    Raises:
        NotThere: no such segment, or not the caller's to manage.
        InvalidInput: no rule was sent, or the rule names segments that are there no more; names the place.
        Refused: it is not archived, or its stored rule is none any more, and no other was sent.
    """
    asked = asked or Reviving()
    async with _editing(serving, caller, clinic, slug) as edit:
        before = edit.segment
        if not before.archived:
            raise Refused("not archived", place="path.segment", rule="not_archived")
        new, version = sent_or_stored(asked, before.rule), before.version + 1
        await repository.change(edit.work, before.segment_id, before.name, before.description, version)
        await edit.put(before.segment_id, version, new, fires=asked.fires)
        unknown = await unknown_names_aside(edit.work, new)
    tag = entity_tag(version, before.name, before.description, archived=False)
    return Saved(slug=slug, version=version, changed=True, warnings=await warnings(unknown)), tag


@asynccontextmanager
async def _editing(serving: Services, caller: Caller, clinic: str, slug: str) -> AsyncIterator[Edit]:
    async with serving.gateway.work(caller, Access(Action.SEGMENT_EDIT, Resource(clinic, slug))) as work:
        known = {row["slug"]: Known(**{**row, "rule": readable(row["rule"])}) for row in await repository.known(work)}
        yield Edit(work, known, slug)
        work.name_resource(slug)
        await work.record()


async def _add(edit: Edit, name: str, description: str, new: WrittenRule, *, fires: bool) -> tuple[Saved, str]:
    if edit.slug in RESERVED:
        raise InvalidInput("reserved", place="body.slug", rule="reserved")
    if edit.slug in edit.known:
        raise Refused("taken", place="body.slug", rule="taken")
    segment = await repository.add(edit.work, edit.slug, name, description)
    await edit.put(segment, 1, new, fires=fires)
    return _saved(edit.slug, 1, entity_tag(1, name, description, archived=False))


def _saved(slug: str, version: int, tag: str) -> tuple[Saved, str]:
    return Saved(slug=slug, version=version, changed=True), tag


def _check_version(before: Known, if_match: str | None) -> None:
    if if_match is None:
        raise InvalidInput("says no version", place="header.if-match", rule="missing")
    if not matches(before.tag, if_match):
        raise Stale(
            "changed meanwhile", place="header.if-match", rule="changed_meanwhile", detail=f"now at {before.version}"
        )
