"""What is found, in which order, and the reason given for each hit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wellread.errors import UsageError
from wellread.index.index import Index, open_index
from wellread.index.within import Within
from wellread.library import Library
from wellread.models.base import Embedder
from wellread.models.fake import FakeReranker, ScriptedChat
from wellread.recipe import Recipe
from wellread.retrieve.find import find
from wellread.retrieve.search import retrieve
from wellread.types import Hit

PARTS = {"bm25", "cosine", "relevance", "keyword_z", "passage_z", "dense_z", "head_z", "keyword_trust"}


@pytest.fixture
def library(open_library: Callable[..., Library], tmp_path: Path) -> Library:
    """Notes on gardening in English, and one of them in Chinese."""
    folder = tmp_path / "files"
    folder.mkdir()
    notes = {
        "roses.md": "# Roses\n\nRoses need sun. Prune roses in March.\n\n## Pests\n\nAphids like young shoots.",
        "beans.md": "# Beans\n\nBeans climb poles. Sow beans in May.\n\n## Harvest\n\nPick beans in August.",
        "soil.txt": "Good soil holds water and air. Compost feeds it.",
        "copy.txt": "Good soil holds water and air. Compost feeds it!",
        "玫瑰.txt": "玫瑰需要阳光。三月修剪玫瑰。",
    }
    for name, text in notes.items():
        (folder / name).write_text(text, encoding="utf-8")
    library = open_library()
    library.add(folder)
    return library


def embedder(library: Library) -> Embedder:
    return library.parts.embedder(str(library.store.meta("embedder")))


def index(library: Library) -> Index:
    opened = open_index(library.folder, library.store, embedder(library).dimensions)
    opened.catch_up()
    return opened


def found(library: Library, question: str, recipe: Recipe = Recipe(), limit: int = 8, within: Within | None = None) -> list[Hit]:
    return retrieve(question, index(library), embedder(library), recipe=recipe, limit=limit, within=within)


def test_the_best_hit_comes_first_and_says_why(library: Library) -> None:
    hits = found(library, "When to prune roses?")
    assert hits[0].title == "Roses" and "Prune roses" in hits[0].chunk.text
    assert hits[0].heading == "Roses" and hits[0].source.endswith("roses.md")
    assert all(hit.why.keys() >= PARTS for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        why = hit.why
        words = (why["keyword_z"] + 0.5 * why["passage_z"]) / 1.5
        meaning = (why["dense_z"] + 0.25 * why["head_z"]) / 1.25
        assert hit.score == pytest.approx(why["keyword_trust"] * words + meaning)
        assert why["keyword_trust"] == pytest.approx(why["trust_coverage"] * why["trust_known"] * why["trust_standing"])
        assert 0 <= why["relevance"] <= 1


def test_words_that_nobody_wrote_give_the_keyword_list_no_say(library: Library) -> None:
    hits = found(library, "zyzzyva quokka")
    assert hits and all(hit.why["keyword_trust"] == 0 for hit in hits)
    assert [hit.score for hit in hits] == pytest.approx([(hit.why["dense_z"] + 0.25 * hit.why["head_z"]) / 1.25 for hit in hits])


@pytest.mark.parametrize(("by", "kept"), [("keyword", "bm25"), ("dense", "cosine"), ("rrf", "rrf")])
def test_each_list_can_be_asked_alone(library: Library, by: str, kept: str) -> None:
    hits = found(library, "When to sow beans?", Recipe(by=by))  # type: ignore[arg-type]
    assert "Sow beans" in hits[0].chunk.text
    assert all(hit.score == hit.why[kept] for hit in hits)
    assert ("cosine" in hits[0].why) == (by != "keyword") and ("bm25" in hits[0].why) == (by != "dense")


def test_a_text_that_was_found_already_is_left_out(library: Library) -> None:
    texts = [hit.chunk.text for hit in found(library, "What does soil hold?")]
    assert sum("Good soil" in text for text in texts) == 1


def test_a_filter_lets_nothing_else_through(library: Library) -> None:
    wanted = next(hit.chunk.id for hit in found(library, "Pick beans in August") if "August" in hit.chunk.text)
    only = Within(np.array([wanted]), np.array([wanted]), 1)
    assert [hit.chunk.id for hit in found(library, "When to prune roses?", within=only)] == [wanted]


def test_what_is_hardly_relevant_can_be_left_out(library: Library) -> None:
    hits = found(library, "When to prune roses?")
    middle = sorted(hit.why["relevance"] for hit in hits)[len(hits) // 2]
    kept = found(library, "When to prune roses?", Recipe(min_relevance=middle))
    assert [hit.chunk.id for hit in kept] == [hit.chunk.id for hit in hits if hit.why["relevance"] >= middle]
    assert 0 < len(kept) < len(hits)


def test_marginal_relevance_prefers_what_is_new(library: Library) -> None:
    hits = found(library, "When to prune roses?", Recipe(mmr=0.0), limit=3)
    plain = found(library, "When to prune roses?", Recipe(mmr=1.0), limit=3)
    assert hits[0].chunk.id == plain[0].chunk.id
    vectors = library.store.vectors([hit.chunk.id for hit in (*hits, *plain)])

    def alike(those: list[Hit]) -> float:
        return max(float(vectors[a.chunk.id] @ vectors[b.chunk.id]) for a in those for b in those if a is not b)

    assert alike(hits) <= alike(plain)


def test_a_reranker_reads_the_best_again(library: Library) -> None:
    plain = found(library, "Aphids young shoots roses")
    recipe = Recipe(rerank=3)
    hits = find("Aphids young shoots", index(library), embedder(library), recipe=recipe, reranker=FakeReranker()).hits
    assert all("rerank" in hit.why for hit in hits[:3]) and all("rerank" not in hit.why for hit in hits[3:])
    assert "Aphids" in hits[0].chunk.text
    assert len(hits) == len(plain)


def test_other_wordings_are_searched_for_too(library: Library) -> None:
    model = ScriptedChat(["1. When should beans be sown in the ground?\n2. In which month are beans put into the ground?"])
    got = find("When are beans put into the ground?", index(library), embedder(library), recipe=Recipe(expand="multi"), model=model)
    assert len(got.queries) > 1 and got.note is None
    assert any("Sow beans" in hit.chunk.text for hit in got.hits[:2])


def test_what_could_not_be_done_is_said(library: Library) -> None:
    got = find("When to sow beans?", index(library), embedder(library), recipe=Recipe(expand="hyde", rerank=5))
    assert got.hits == found(library, "When to sow beans?")
    assert got.note is not None and "chat model" in got.note and "reranker" in got.note


@pytest.mark.parametrize(
    ("options", "hint"), [({"by": "densse"}, "dense"), ({"widen": "parents"}, "parent"), ({"mmr": 2}, "0"), ({"rerank": -1}, "0 to 100")]
)
def test_a_recipe_that_cannot_be(options: dict[str, object], hint: str) -> None:
    with pytest.raises(UsageError) as error:
        Recipe(**options)  # type: ignore[arg-type]
    assert hint in (error.value.hint or "")
