"""What to say when a filter lets nothing through: which of its conditions is to blame, and what there is instead."""

from __future__ import annotations

from wellread.errors import UsageError, suggest
from wellread.index.filters import Condition, Filter, Not
from wellread.index.kinds import short_name
from wellread.index.store import Store
from wellread.index.tags import tag_name

_SHOWN = 12


def nothing_matches(filter: Filter, store: Store) -> UsageError:
    """The sentence and the hint for a filter that lets nothing through; whether they are raised is for the caller to say."""
    guilty = next((one for one in _wanted(filter) if not store.within(one).count), None)
    return UsageError(f"nothing in the library matches the filter {filter}.", hint=_hint(guilty, store))


def _hint(guilty: Condition | None, store: Store) -> str:
    if guilty is None:
        return "each of its conditions holds for something, but not all of them together"
    if guilty.field == "tag":
        tags = sorted({tag for held in store.tags.by_document().values() for tag in held})
        if not tags:
            return "nothing in it has a tag; add one with: wellread add PATH --tag NAME"
        return suggest(tag_name(guilty.value), tags) or f"the tags in it are {_listed(tags)}"
    if guilty.field == "type":
        return f"the types in it are {_listed([short_name(one) for one in store.media_types()])}"
    if guilty.field == "date":
        dates = sorted(listed.date for listed in store.documents() if listed.date is not None)
        return f"its documents are of {dates[0]} to {dates[-1]}" if dates else "its documents have no dates"
    return f"nothing in it has {guilty}; `wellread list` shows what there is"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _wanted(filter: Filter) -> list[Condition]:
    """The conditions of a filter that are not negated."""
    if isinstance(filter, Condition):
        return [filter]
    return [] if isinstance(filter, Not) else [one for part in filter.parts for one in _wanted(part)]
