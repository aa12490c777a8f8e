"""The catalogue: names, pins, and nothing that could be a path."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import UsageError
from wellread.models.catalog import CATALOGUE, Entry, HubFile, Wheel, canonical, find
from wellread.models.pypi import check_member


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("smollm2", "smollm2:135m"),
        ("SmolLM2", "smollm2:135m"),
        ("smollm2:135m", "smollm2:135m"),
        ("all-minilm", "all-minilm:latest"),
        ("all-minilm:latest", "all-minilm:latest"),
        ("multilingual-e5-small", "multilingual-e5-small:latest"),
    ],
)
def test_find_by_any_of_its_names(said: str, meant: str) -> None:
    assert find(said).name == meant


def test_a_mistyped_name_gets_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        find("smolm2")
    assert caught.value.hint == 'did you mean "smollm2"?'
    assert caught.value.exit_code == 2


def test_a_name_like_no_other_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"no model") as caught:
        find("zzzz:7b")
    assert "all-minilm:latest" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", "../x", "a:../x", "a..b", "/etc/passwd", "a\0b", "a:b:c", "a:", ":b", "c:\\x", "a b", "é"]
)
def test_what_could_be_a_path_is_no_name(name: str) -> None:
    with pytest.raises(UsageError):
        canonical(name)


@given(st.text(max_size=40))
def test_a_canonical_name_is_always_harmless(name: str) -> None:
    try:
        full = canonical(name)
    except UsageError:
        return
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*:[a-z0-9][a-z0-9._-]*", full)
    assert ".." not in full
    assert canonical(full) == full


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_entry_is_pinned_and_complete(entry: Entry) -> None:
    roles = [file.role for file in entry.files]
    assert len(roles) == len(set(roles)) and "model" in roles
    assert entry.licence in ("Apache-2.0", "MIT")
    assert canonical(entry.name) == entry.name
    for file in entry.files:
        assert file.sha256 is not None and re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size > 0 and file.sources
        for source in file.sources:
            if isinstance(source, Wheel):
                check_member(source.member)
                assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)
                assert source.filename.split("-")[:2] == [source.project.replace("-", "_"), source.version]
            else:
                assert isinstance(source, HubFile) and re.fullmatch(r"[0-9a-f]{40}", source.revision)


def test_no_name_means_two_models() -> None:
    names = [name for entry in CATALOGUE for name in {entry.name, *entry.aliases}]
    assert len(names) == len(set(names))
