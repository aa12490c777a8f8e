"""Settings, where each came from, and what is said about mistakes."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.config import Loaded, Settings, load, override
from wellread.errors import UsageError
from wellread.places import expanded


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "project").mkdir()
    return tmp_path / "home"


def loaded(home: Path, user: str = "", project: str = "", **environment: str) -> Loaded:
    (home / "config.toml").write_text(user, encoding="utf-8")
    (home.parent / "project" / "wellread.toml").write_text(project, encoding="utf-8")
    variables = {"WELLREAD_HOME": str(home), **{f"WELLREAD_{name.upper()}": value for name, value in environment.items()}}
    return load({**variables, "PATH": "/bin", "WELLREADABLE": "yes"}, folder=home.parent / "project")


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    found = load({"WELLREAD_HOME": str(tmp_path)}, folder=tmp_path)
    assert found.settings == Settings(home=tmp_path)
    assert {name for name, origin in found.origin.items() if origin != "default"} == {"home"}
    assert found.origin.keys() == {field.name for field in fields(Settings)}


def test_what_is_nearer_wins_and_is_named(home: Path) -> None:
    user, project = str(home / "config.toml"), str(home.parent / "project" / "wellread.toml")
    found = loaded(home, 'model = "user"\nthreads = 1\nengine = "llamacpp"\nlibrary = "u"', 'model = "project"\nthreads = 2', threads="3")
    assert (found.settings.library, found.settings.model, found.settings.threads) == ("u", "project", 3)
    assert found.origin["library"] == found.origin["engine"] == user
    assert found.origin["model"] == project
    assert found.origin["threads"] == "WELLREAD_THREADS"
    assert found.origin["offline"] == "default"
    top = override(found, {"threads": "4", "model": None, "offline": True})
    assert (top.settings.threads, top.settings.model, top.settings.offline) == (4, "project", True)
    assert top.origin["threads"] == top.origin["offline"] == "the command line"
    assert top.origin["model"] == project


@pytest.mark.parametrize(
    ("user", "environment", "words"),
    [
        ("modle = 'x'", {}, ['sets "modle"', 'did you mean "model"?', "config.toml"]),
        ("zzz = 1", {}, ['sets "zzz"', "the settings are library, model"]),
        ("", {"theads": "1"}, ["WELLREAD_THEADS", 'did you mean "threads"?']),
        ("threads = 'many'", {}, ['"threads" must be a whole number', "many", "config.toml"]),
        ("threads = 2.5", {}, ['"threads" must be a whole number', "2.5"]),
        ("threads = true", {}, ['"threads" must be a whole number', "True"]),
        ("threads = [1]", {}, ['"threads" must be a whole number']),
        ("", {"threads": ""}, ['"threads" must be a whole number', "WELLREAD_THREADS"]),
        ("", {"offline": "perhaps"}, ['"offline" must be yes or no', "perhaps"]),
        ("offline = 2", {}, ['"offline" must be yes or no']),
        ("model = 3", {}, ['"model" must be text']),
        ("model = ['a']", {}, ['"model" must be text']),
        ("[model]\nname = 'x'", {}, ['"model" must be text']),
        ("model = ", {}, ["not valid TOML", "config.toml"]),
    ],
)
def test_mistakes_are_named_with_their_place(user: str, environment: dict[str, str], words: list[str], home: Path) -> None:
    with pytest.raises(UsageError) as raised:
        loaded(home, user, **environment)
    assert all(word in str(raised.value) for word in words), str(raised.value)
    assert raised.value.hint


def test_a_home_that_is_no_path_is_a_mistake() -> None:
    with pytest.raises(UsageError, match='"home" must be the path of a folder'):
        override(Loaded(Settings(), {}), {"home": 3})


def test_a_file_that_is_no_text_is_named(home: Path) -> None:
    (home / "config.toml").write_bytes(b"\xff\xfe\x00model")
    with pytest.raises(UsageError, match="not valid TOML"):
        load({"WELLREAD_HOME": str(home)}, folder=home)


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("YES", True), ("0", False), ("False", False), ("no", False)])
def test_yes_and_no(text: str, value: bool, home: Path) -> None:
    assert loaded(home, offline=text).settings.offline is value
    assert loaded(home, f"offline = {str(value).lower()}").settings.offline is value


@given(st.integers(-(10**9), 10**9), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_every_whole_number_and_text_comes_through(number: int, text: str) -> None:
    found = override(Loaded(Settings(), {}), {"threads": str(number), "model": text})
    assert (found.settings.threads, found.settings.model) == (number, text)


def test_home_moves_every_folder(tmp_path: Path) -> None:
    moved = Settings(home=tmp_path)
    assert moved.models_folder.is_relative_to(tmp_path)
    assert moved.cached_libraries.is_relative_to(tmp_path)
    assert moved.models_folder != moved.cached_libraries
    assert not Settings().models_folder.is_relative_to(tmp_path)


def test_a_home_of_ones_own_is_filled_in_and_what_only_looks_like_one_is_not() -> None:
    assert expanded("~/papers") == Path.home() / "papers"
    assert expanded("~$report.docx") == Path("~$report.docx")
    assert expanded("papers") == Path("papers")
