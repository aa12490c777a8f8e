"""The object people use: parts joined, settings kept, mistakes told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import wellread
from wellread.answer import Options
from wellread.config import Settings
from wellread.errors import LibraryError, LibraryLocked, UsageError
from wellread.library import Library, cached
from wellread.lock import locked
from wellread.models.fake import EchoChat, HashEmbedder, ScriptedChat
from wellread.parts import Parts
from wellread.places import check_source, folder_of
from wellread.types import Answer, Document

QUESTION = "How often is the generator serviced?"
SERVICED = "The generator is serviced every four months by Anna Berg."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "power.md").write_text(f"# Power\n\n{SERVICED}", encoding="utf-8")
    (folder / "food.txt").write_text("Bread is baked on Monday morning.", encoding="utf-8")
    return folder


def test_what_is_added_is_there_the_next_time(open_library: Callable[..., Library], folder: Path) -> None:
    first = open_library()
    first.add(folder)
    first.close()
    again = open_library()
    assert [listed.title for listed in again.documents()] == ["Power", "food.txt"]
    assert SERVICED in again.search("generator")[0].chunk.text
    (folder / "tea.txt").write_text("Tea is steeped for three minutes.", encoding="utf-8")
    assert again.sync().added == 1
    assert first.folder == again.folder


def test_documents_that_lie_in_no_file_stay_at_a_sync(
    open_library: Callable[..., Library], folder: Path, check_library: Callable[[Library], None]
) -> None:
    library = open_library()
    library.put(Document("0" * 64, "note:1", "Note", "text/plain", "The cellar is locked at night."))
    library.add(folder)
    library.sync()
    assert [listed.title for listed in library.documents()] == ["Note", "Power", "food.txt"]
    assert library.search("cellar")[0].source == "note:1"
    check_library(library)
    assert library.remove("000000") == 1


def test_two_open_libraries_see_each_others_changes(open_library: Callable[..., Library], folder: Path) -> None:
    one, other = open_library(), open_library()
    one.add(folder)
    assert other.search("generator")[0].title == "Power"
    (folder / "food.txt").write_text("Soup is served on Friday.", encoding="utf-8")
    other.sync()
    assert "Soup" in one.search("soup friday")[0].chunk.text
    one.remove(str(folder))
    assert other.search("soup friday") == []


def test_a_question_is_answered_and_its_trace_kept(open_library: Callable[..., Library], folder: Path) -> None:
    library = open_library(chat=ScriptedChat([SERVICED]))
    library.add(folder)
    pieces = list(library.stream(QUESTION))
    answer = pieces[-1]
    assert isinstance(answer, Answer)
    assert (answer.question, answer.text, answer.citations[0].quote) == (QUESTION, SERVICED, SERVICED)
    trace = library.trace(answer.trace_id[:6])
    assert (trace["question"], trace["answer"]["answer"]) == (QUESTION, SERVICED)
    retrieve = trace["steps"][0]
    assert retrieve["data"]["query"] == QUESTION
    assert [hit["chunk"] for hit in retrieve["data"]["hits"]] == [hit.chunk.id for hit in library.search(QUESTION)]
    with pytest.raises(UsageError, match='no trace "zzz"'):
        library.trace("zzz")


def test_a_conversation_is_searched_for_what_it_is_about(open_library: Callable[..., Library], folder: Path) -> None:
    library = open_library(chat=ScriptedChat(["Who services the generator?", SERVICED]))
    library.add(folder)
    answer = library.ask("And who does it?", history=[(QUESTION, "Every four months.")])
    assert answer.question == "And who does it?"
    assert not answer.refused
    steps = {step["kind"]: step["data"] for step in library.trace(answer.trace_id)["steps"]}
    assert steps["retrieve"]["query"] == "Who services the generator?"


def test_quoting_asks_no_model(open_library: Callable[..., Library], folder: Path) -> None:
    chat = ScriptedChat([])
    library = open_library(chat=chat)
    library.add(folder)
    assert library.ask(QUESTION, options=Options(mode="extract")).text == SERVICED
    assert chat.asked == []


def test_an_answer_prints_with_its_quotes(open_library: Callable[..., Library], folder: Path) -> None:
    library = open_library()
    library.add(folder)
    printed = str(library.ask(QUESTION, options=Options(mode="extract")))
    assert printed == f"{SERVICED} [1]\n  [1] Power  “{SERVICED}”"


def test_an_empty_library_says_what_to_do(open_library: Callable[..., Library]) -> None:
    library = open_library()
    assert library.search("anything") == library.documents() == []
    assert not library.sync().changed
    with pytest.raises(UsageError, match="is empty") as raised:
        library.ask("Anything?")
    assert "wellread add" in str(raised.value.hint)
    for call in (lambda: library.ask(" "), lambda: library.search(""), library.add):
        with pytest.raises(UsageError):
            call()


# --- removing


def test_documents_are_removed_by_path_folder_or_id(open_library: Callable[..., Library], folder: Path) -> None:
    library = open_library()
    library.add(folder)
    (power,) = [listed.id for listed in library.documents() if listed.title == "Power"]
    assert library.remove(power[:8]) == 1
    assert [listed.title for listed in library.documents()] == ["food.txt"]
    assert library.search("generator")[0].title == "food.txt"
    assert not library.sync().changed  # its folder is still followed, but it was sent away
    assert library.remove(str(folder / "food.txt")) == 1
    assert not library.sync().changed
    assert library.add(folder / "food.txt").added == 1
    assert library.remove(str(folder)) == 1
    assert library.store.roots() == []
    assert not library.sync().changed
    for what in (str(folder), power[:8], "food"):
        with pytest.raises(UsageError, match="nothing in"):
            library.remove(what)


# --- places


@pytest.mark.parametrize(
    ("name", "folder"), [("papers", "papers.wellread"), ("a/b.wellread", "a/b.wellread"), ("v1.2", "v1.2.wellread"), ("~/x", None)]
)
def test_a_library_is_a_folder_with_an_ending_of_its_own(name: str, folder: str | None) -> None:
    assert folder_of(name) == (Path(folder) if folder else Path.home() / "x.wellread")


@pytest.mark.parametrize("name", ["", ".", "/", ".."])
def test_a_library_needs_a_name(name: str) -> None:
    with pytest.raises(UsageError, match="does not name a library"):
        folder_of(name)


def test_open_makes_a_library_with_given_settings(tmp_path: Path, folder: Path) -> None:
    with wellread.open(tmp_path / "new" / "papers", settings=Settings(model="none", home=tmp_path)) as library:
        assert library.folder == tmp_path / "new" / "papers.wellread"
        assert (library.folder / "library.db").exists()
        assert library.parts.settings.home == tmp_path
    (tmp_path / "file").write_text("x")
    with pytest.raises(LibraryError, match="cannot be made"):
        wellread.open(tmp_path / "file" / "papers", settings=Settings(home=tmp_path))


def test_the_same_sources_have_the_same_cached_library(tmp_path: Path, folder: Path) -> None:
    parts = Parts(Settings(model="none", home=tmp_path / "home"), embedder=HashEmbedder())
    with cached([folder, folder / "food.txt"], parts=parts) as one, cached([f"{folder}/food.txt", str(folder)], parts=parts) as other:
        assert one.folder == other.folder
        assert one.folder.is_relative_to(tmp_path / "home")
    with cached([folder], parts=parts) as third:
        assert third.folder != one.folder


def test_what_cannot_be_added_is_told_before_anything_is_done(open_library: Callable[..., Library], folder: Path) -> None:
    library = open_library()
    with pytest.raises(UsageError, match="there is no file or folder") as raised:
        library.add(folder, folder / "fod.txt")
    assert raised.value.hint == 'did you mean "food.txt"?'
    assert library.documents() == []
    assert library.store.roots() == []
    check_source(folder)


# --- models


def test_a_library_keeps_to_the_embedder_that_made_it(open_library: Callable[..., Library], folder: Path) -> None:
    library = open_library()
    library.add(folder)
    other = open_library(embedder=HashEmbedder(32))
    with pytest.raises(UsageError, match='made with the embedder "hash-64", not "hash-32"'):
        other.search("generator")


def test_the_embedder_is_chosen_by_the_language_of_the_documents(tmp_path: Path) -> None:
    parts = Parts(Settings(home=tmp_path))
    assert (parts.embedder_for(chinese=True), parts.embedder_for(chinese=False)) == ("multilingual-e5-small", "all-minilm")
    fixed = Parts(Settings(home=tmp_path, embedder="all-minilm"))
    assert fixed.embedder_for(chinese=True) == "all-minilm"
    assert Parts(Settings(home=tmp_path), embedder=HashEmbedder()).embedder_for(chinese=True) == "hash-64"
    with pytest.raises(UsageError, match="no model"):
        Parts(Settings(home=tmp_path, embedder="all-minilmm")).embedder_for(chinese=False)


def test_parts_that_were_given_are_used(tmp_path: Path) -> None:
    chat = EchoChat()
    with Parts(Settings(model="none", home=tmp_path), chat=chat) as parts:
        writer = parts.writer()
        assert writer is not None
        assert writer.model is chat
    with Parts(Settings(model="none", home=tmp_path)) as parts:
        assert parts.writer() is None
    for model, words in (("openai:x", "needs the address"), ("no.gguf", "no model file"), ("all-minilm", "is an embedder")):
        with pytest.raises(UsageError, match=words):
            Parts(Settings(model=model, home=tmp_path)).writer()
    with pytest.raises(UsageError, match="is a chat model"):
        Parts(Settings(home=tmp_path)).embedder("smollm2:135m")


def test_one_writer_at_a_time_and_readers_any_time(open_library: Callable[..., Library], folder: Path) -> None:
    library = open_library()
    library.add(folder)
    with locked(library.folder / "lock"):
        assert library.search("generator")
        assert library.documents()
    with locked(library.folder / "index.lock"):
        assert library.documents()
    library.sync()


@pytest.mark.slow
def test_who_waits_too_long_is_told(open_library: Callable[..., Library], folder: Path) -> None:
    library = open_library()
    with locked(library.folder / "lock"), pytest.raises(LibraryLocked, match="written to by process"):
        library.add(folder)
