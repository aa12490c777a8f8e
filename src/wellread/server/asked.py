"""How a library is to answer: Wellread's own options, as a request has them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from wellread.config import Settings
from wellread.errors import UsageError
from wellread.index.filters import parse_filter
from wellread.options import Options
from wellread.recipe import Recipe
from wellread.server.body import Fields, told

_RECIPE = {each.name for each in fields(Recipe)}
_OPTIONS = {each.name for each in fields(Options)} - {"recipe"}


def asked(given: Fields, settings: Settings) -> Options:
    """The options that a request gives, the settings' for the rest. Names are those of `Options` and `Recipe`; any other is refused."""
    given.only(_RECIPE | _OPTIONS)
    kept = {name: value for name, value in _typed(given).items() if name in given}
    try:
        if "filter" in kept:
            parse_filter(str(kept["filter"]))
        recipe = Recipe(**{name: value for name, value in kept.items() if name in _RECIPE})
        own = {"min_confidence": settings.min_confidence} | {name: value for name, value in kept.items() if name in _OPTIONS}
        return Options(recipe=recipe, **own)
    except UsageError as error:
        raise told(error, given.at("")) from error


def recipe_of(given: Fields) -> Recipe:
    """The recipe that a request gives."""
    kept = _typed(given)
    try:
        return Recipe(**{name: kept[name] for name in _RECIPE if name in given})
    except UsageError as error:
        raise told(error, given.at("")) from error


def _typed(given: Fields) -> dict[str, Any]:
    """Every option that is given, its type checked against the default's."""
    found: dict[str, Any] = {}
    for kind in (Options(), Recipe()):
        for each in fields(kind):
            name, default = each.name, getattr(kind, each.name)
            if name not in given or name == "recipe":
                continue
            if isinstance(default, bool):
                found[name] = given.flag(name)
            elif name in ("evidence_tokens",) or isinstance(default, int):
                found[name] = given.whole(name)
            elif name in ("mmr",) or isinstance(default, float):
                found[name] = given.number(name)
            else:
                found[name] = given.text(name, most=10_000)
    return found
