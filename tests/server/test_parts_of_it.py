"""What the server is made of: calls in text, places of citations, stored responses, what may be let in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import UsageError
from wellread.server.cited import marked
from wellread.server.command import policy_of
from wellread.server.guard import host_name
from wellread.server.stored import Stored, StoredResponses
from wellread.server.tools import Calls
from wellread.server.turn import Called, Function, Said
from wellread.types import Answer, Citation, Ledger, ModelRef, Sentence, Usage, marked_text

FUNCTIONS = (Function("f", "", {}), Function("g", "", {}))
PIECES = ["<tool_call>", "</tool_call>", '{"name": "f", "arguments": {"a": 1}}', '{"name": "h"}', "<tool", " text <", "好", "\n", "{"]


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.data())
def test_how_text_is_cut_changes_nothing(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))

    def read(parts: list[str]) -> tuple[str, list[tuple[str, str]]]:
        calls = Calls(0, FUNCTIONS)
        made = [piece for part in parts for piece in calls.add(part)] + list(calls.rest())
        said = "".join(piece.text for piece in made if isinstance(piece, Said))
        called = [piece for piece in made if isinstance(piece, Called)]
        return said, [(piece.name, piece.arguments) for piece in called]

    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    said, called = read([text])
    cut_said, cut_called = read(parts)
    assert cut_called == called
    if not called:
        assert said == cut_said == text  # nothing is swallowed that is no call


@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), st.sampled_from(["supported", "unsupported", "uncited"]), st.booleans())))
def test_citations_stand_where_the_marked_text_has_them(rows: list[tuple[str, Any, bool]]) -> None:
    citations = [Citation(number + 1, "d", "t", "/t.txt", "text/plain", None, None, 0, 1, "q") for number in range(3)]
    text, sentences = "", []
    for number, (words, status, gap) in enumerate(rows):
        text += " " if gap else ""
        markers = tuple(range(1, number % 3 + 2)) if status == "supported" else ()
        sentences.append(Sentence(words, len(text), len(text) + len(words), status, 1.0, markers))
        text += words
    answer = Answer("q", text, tuple(sentences), tuple(citations), False, None, Ledger(0, 0), Usage(), ModelRef("m"), "auto", {}, "t")
    told, places = marked(answer)
    assert told == marked_text(answer)
    for place in places:
        assert f"[{place.citation.marker}]" in told[place.start : place.end]


def test_responses_are_their_owners_and_old_ones_go(tmp_path: Path) -> None:
    stored = StoredResponses(tmp_path / "server" / "responses.db", most=3)
    for number in range(5):
        previous = f"r{number - 1}" if number else None
        stored.put("anna", Stored({"id": f"r{number}", "output": []}, [{"n": number}], previous))
    assert stored.get("anna", "r0") is None
    assert stored.get("ben", "r4") is None
    assert stored.chain("anna", "r4") is None  # its beginning is gone
    assert not stored.delete("ben", "r4")
    assert stored.delete("anna", "r4")
    assert (tmp_path / "server" / "responses.db").stat().st_mode & 0o077 == 0
    stored.close()
    again = StoredResponses(tmp_path / "server" / "responses.db")
    assert again.get("anna", "r3") == Stored({"id": "r3", "output": []}, [{"n": 3}], "r2")
    again.close()


def arguments(**given: Any) -> argparse.Namespace:
    return argparse.Namespace(
        **{"host": "127.0.0.1", "token": None, "token_file": None, "tokens": None, "allow_host": [], "allow_origin": [], **given}
    )


def test_who_is_let_in(tmp_path: Path) -> None:
    assert policy_of(arguments(), {}).keys == ()
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(UsageError, match="a token is needed"):
            policy_of(arguments(host=host), {})
        policy = policy_of(arguments(host=host), {"WELLREAD_TOKEN": "0123456789abcdef"})
        assert [key.caller.name for key in policy.keys] == ["owner"]
        assert policy.literal
    for bad in ("short", "x" * 15, "with a space in the middle", "é" * 20):
        with pytest.raises(UsageError, match="no good") as told:
            policy_of(arguments(token=bad), {})
        assert bad not in str(told.value)
    (tmp_path / "one").write_text("0123456789abcdef\n")
    assert policy_of(arguments(token_file=tmp_path / "one"), {}).keys[0].token == "0123456789abcdef"
    several = tmp_path / "tokens.toml"
    several.write_text('[guest]\ntoken = "0123456789abcdef"\nlibraries = ["papers"]\nread_only = true\n')
    (key,) = policy_of(arguments(tokens=several), {}).keys
    assert (key.caller.name, key.caller.libraries, key.caller.read_only) == ("guest", frozenset({"papers"}), True)
    bad = '[g]\ntoken = "0123456789abcdef"\n'
    for wrong in ("[guest]\n", bad + 'library = "x"\n', "x = 1\n", "[", bad + 'libraries = "x"\n'):
        several.write_text(wrong)
        with pytest.raises(UsageError):
            policy_of(arguments(tokens=several), {})
    for origin in ("chat.example", "https://chat.example/", "*"):
        with pytest.raises(UsageError, match="is not a web origin"):
            policy_of(arguments(allow_origin=[origin]), {})


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"), ("LOCALHOST:8", "localhost"), ("[::1]:8", "::1"), ("[::1]", "::1"), ("127.0.0.1:99", "127.0.0.1"),
        ("localhost.", "localhost"), ("", None), (":8", None), ("a:b", None), ("[::1", None), ("[::1]x", None), ("a:1:2", None),
    ],
)  # fmt: skip
def test_the_name_in_a_host_header(host: str, name: str | None) -> None:
    assert host_name(host) == name
