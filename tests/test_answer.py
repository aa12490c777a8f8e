"""Answers: checked sentence by sentence, quoted where the model's words do not hold, refused where there is nothing to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.answer import Options, answer, is_chinese
from wellread.config import Settings
from wellread.errors import ContextOverflow, UsageError
from wellread.library import Library
from wellread.models.base import Judges, Reading, Writer
from wellread.models.fake import FakeReader, HashEmbedder, ScriptedChat
from wellread.parts import Parts
from wellread.sentences import sentence_spans
from wellread.trace import Recorder
from wellread.types import Answer, Delta, Message

QUESTION = "How often is the generator serviced?"
SERVICED = "The generator is serviced every four months by Anna Berg."
FUEL = "Fuel for the generator comes by ship in May and in September."
PANELS = "Ten solar panels on the roof charge the batteries of the station."
MADE_UP = "The generator explodes whenever penguins dance around it."
COMPACT = Options(mode="compact")
FILES = {
    "power.md": f"# Power\n\n{SERVICED} {FUEL}\n\n## Panels\n\n{PANELS}",
    "food.md": "# Food\n\nBread is baked on Monday morning. Fish is caught in the bay by those who like fishing.",
    "faults.md": "# Faults\n\nThe station has these three known faults:\n\n- salt on the glass of the solar panels\n"
    "- one single link to the satellite, no more\n- no spare pump for the desalinator\n",
    "电力.txt": "发电机每四个月检修一次，由安娜负责。燃料在五月和九月由船运来。",
}

Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """One library for all tests here: to answer is only to read."""
    folder = tmp_path_factory.mktemp("station")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    with Library(folder / "a.wellread", Parts(Settings(model="none", home=folder / "home"), embedder=HashEmbedder())) as library:
        library.add(folder)
        yield library


@pytest.fixture
def ask(library: Library) -> Ask:
    """Asks with a writer that says what it is told to. Every answer is checked for what must hold of all of them."""

    def run(
        question: str, *replies: str, options: Options = COMPACT, languages: Sequence[str] | None = None, window: int = 4096, limit: int = 8
    ) -> Answer:
        chat = ScriptedChat(replies, context_window=window)
        pieces = list(stream(library, question, Writer(chat, None if languages is None else tuple(languages)), options, limit))
        result = pieces[-1]
        assert isinstance(result, Answer)
        assert all(isinstance(piece, Delta) for piece in pieces[:-1])
        check(result, library, [hit.chunk.id for hit in library.search(question, limit=limit)])
        return result

    return run


def stream(
    library: Library, question: str, writer: Writer | None, options: Options, limit: int = 8, judges: Judges = Judges()
) -> list[Delta | Answer]:
    embedder = library.parts.embedder("hash-64")
    return list(answer(question, library.search(question, limit=limit), library.store, embedder, writer, options, Recorder(), judges))


def check(answer: Answer, library: Library, hits: Sequence[int]) -> None:
    """What holds of every answer."""
    assert [citation.marker for citation in answer.citations] == list(range(1, len(answer.citations) + 1))
    first_use = list(dict.fromkeys(marker for sentence in answer.sentences for marker in sentence.citations))
    assert first_use == [citation.marker for citation in answer.citations]
    for citation in answer.citations:
        document = library.document(citation.document)
        assert citation.quote == document.text[citation.start : citation.end] != ""
        assert (citation.title, citation.source, citation.media_type) == (document.title, document.source, document.media_type)
        assert citation.section is None or citation.section in {section.title for section in document.sections}
    at = 0
    for sentence in answer.sentences:
        assert answer.text[sentence.start : sentence.end] == sentence.text
        assert sentence.start >= at
        assert not answer.text[at : sentence.start].strip()
        assert bool(sentence.citations) == (sentence.status == "supported")
        assert 0.0 <= sentence.support <= 1.0
        at = sentence.end
    assert answer.refused or at == len(answer.text)
    ledger = answer.ledger
    assert {dropped.chunk for dropped in ledger.dropped} <= set(hits)
    if ledger.sent:  # what a model was shown is accounted for, chunk by chunk
        assert sorted([sent.chunk for sent in ledger.sent] + [dropped.chunk for dropped in ledger.dropped]) == sorted(hits)
        assert ledger.sent_tokens <= ledger.window
    assert all(dropped.reason for dropped in ledger.dropped)
    assert {"retrieve_ms", "first_token_ms", "total_ms"} == answer.timings.keys()


def statuses(answer: Answer) -> list[str]:
    return [sentence.status for sentence in answer.sentences]


# --- what the model writes


def test_what_the_documents_say_is_supported_and_cited(ask: Ask) -> None:
    result = ask(QUESTION, "It is serviced every four months by Anna Berg.")
    assert (result.text, result.mode, result.refused) == ("It is serviced every four months by Anna Berg.", "compact", False)
    assert statuses(result) == ["supported"]
    assert [citation.quote for citation in result.citations] == [SERVICED]
    assert result.citations[0].section == "Power"
    assert (result.model.name, result.usage.completion_tokens) == ("scripted", 9)
    assert result.notes == ()


def test_each_sentence_is_judged_by_itself(ask: Ask) -> None:
    result = ask(QUESTION, f"{SERVICED} {MADE_UP} The generator? {FUEL}")
    assert statuses(result) == ["supported", "unsupported", "uncited", "supported"]
    assert [citation.quote for citation in result.citations] == [SERVICED, FUEL]
    assert result.sentences[1].citations == ()
    assert "[no support found]" in str(result)


def test_a_wrong_number_or_name_is_not_supported(ask: Ask) -> None:
    result = ask("How many solar panels charge the batteries?", f"{PANELS} There are 12 solar panels on the roof. Olga Berg likes panels.")
    assert statuses(result) == ["supported", "unsupported", "unsupported"]


def test_strict_drops_what_nothing_supports(ask: Ask) -> None:
    result = ask(QUESTION, f"{MADE_UP} {SERVICED} {MADE_UP[:-1]} again. {FUEL}", options=Options(mode="compact", strict=True))
    assert result.text == f"{SERVICED} {FUEL}"
    assert statuses(result) == ["supported", "supported"]


def test_auto_takes_a_draft_only_as_a_whole(ask: Ask) -> None:
    result = ask(QUESTION, SERVICED, options=Options())
    assert (result.text, result.mode) == (SERVICED, "compact")
    result = ask(QUESTION, f"{SERVICED} {MADE_UP} {FUEL}", options=Options())
    assert (result.mode, result.model.name) == ("extract", "extract")
    assert "do not support" in result.notes[0]
    assert set(statuses(result)) == {"supported"}
    assert MADE_UP not in result.text


@pytest.mark.parametrize("reply", [MADE_UP, "", "   \n", "The generator?"])
def test_when_nothing_written_is_supported_the_documents_speak(reply: str, ask: Ask) -> None:
    result = ask(QUESTION, reply)
    assert result.mode == "extract"
    assert "nothing that the model wrote was supported" in result.notes[0]
    assert result.sentences[0].text == SERVICED
    assert result.citations[0].quote == SERVICED


def test_a_model_that_repeats_itself_is_stopped(ask: Ask) -> None:
    result = ask(QUESTION, " ".join([SERVICED, FUEL] * 20))
    assert result.text == f"{SERVICED} {FUEL}"
    many = " ".join(f"{SERVICED[:-1]} in hall {number}." for number in range(50))
    result = ask(QUESTION, f"{SERVICED} {many}", options=Options(mode="compact", max_tokens=2000))
    assert len(result.sentences) == 12


def test_a_sentence_that_was_cut_off_is_not_shown(ask: Ask) -> None:
    result = ask(QUESTION, f"{SERVICED} {FUEL}", options=Options(mode="compact", max_tokens=14))
    assert result.text == SERVICED
    only = ask(QUESTION, SERVICED, options=Options(mode="compact", max_tokens=8))
    assert only.text in SERVICED  # unless it is all there is
    assert only.text


def test_line_breaks_of_the_model_are_kept(ask: Ask) -> None:
    result = ask(QUESTION, f"{SERVICED}\n{FUEL}\n\n{PANELS}")
    assert result.text == f"{SERVICED}\n{FUEL}\n{PANELS}"


def test_a_quote_used_twice_is_one_citation(ask: Ask) -> None:
    result = ask(QUESTION, "It is serviced every four months. Anna Berg services it every four months.")
    assert [sentence.citations for sentence in result.sentences] == [(1,), (1,)]


@given(
    st.lists(st.sampled_from([SERVICED, FUEL, PANELS, MADE_UP, "The generator?", "It is 7.", "好的。", "Dr. No, e.g.", "\n"]), max_size=8)
)
@settings(max_examples=40)
def test_offsets_markers_and_ledger_hold_for_any_draft(library: Library, parts: list[str]) -> None:
    hits = [hit.chunk.id for hit in library.search(QUESTION)]
    for options in (COMPACT, Options(mode="compact", strict=True), Options()):
        chat = ScriptedChat([" ".join(parts)])
        result = stream(library, QUESTION, Writer(chat), options)[-1]
        assert isinstance(result, Answer)
        check(result, library, hits)
        if options.strict or options.mode == "auto":
            assert "unsupported" not in statuses(result)
        written = [" ".join(parts)[start:end] for start, end in sentence_spans(" ".join(parts))]
        if result.mode == "compact":
            assert {sentence.text for sentence in result.sentences} <= set(written)


# --- what the model is shown


def test_the_ledger_tells_what_was_sent_and_why_the_rest_was_not(ask: Ask) -> None:
    small = ask(QUESTION, SERVICED, options=Options(mode="compact", evidence_tokens=15))
    large = ask(QUESTION, SERVICED, options=Options(mode="compact", evidence_tokens=1000))
    assert sum(sent.tokens for sent in small.ledger.sent) <= 15
    assert len(small.ledger.sent) < len(large.ledger.sent)
    assert small.ledger.window == 4096


def test_what_did_not_fit_the_budget_is_said_to_be_over_it(ask: Ask) -> None:
    result = ask(QUESTION, SERVICED, options=Options(mode="compact", evidence_tokens=15))
    assert any("15 tokens" in dropped.reason for dropped in result.ledger.dropped)


def test_the_model_is_shown_the_evidence_in_reading_order_and_the_question(library: Library) -> None:
    seen: list[Sequence[Message]] = []

    def reply(messages: Sequence[Message]) -> str:
        seen.append(messages)
        return FUEL

    question = "How does fuel for the generator come?"
    result = stream(library, question, Writer(ScriptedChat([reply])), COMPACT)[-1]
    assert isinstance(result, Answer)
    prompt = seen[0][-1].content
    assert prompt.endswith(f"Question: {question}")
    assert prompt.index(SERVICED) < prompt.index(FUEL)
    assert ScriptedChat([]).count_tokens(seen[0]) == result.ledger.sent_tokens == result.usage.prompt_tokens


def test_the_writer_says_how_much_it_is_shown(library: Library) -> None:
    few, many = (stream(library, QUESTION, Writer(ScriptedChat([SERVICED]), None, tokens), COMPACT)[-1] for tokens in (15, 1000))
    assert isinstance(few, Answer)
    assert isinstance(many, Answer)
    assert few.ledger.sent_tokens < many.ledger.sent_tokens


def test_a_question_too_long_for_the_window_is_an_error(library: Library) -> None:
    long = QUESTION[:-1] + " generator" * 400 + "?"
    with pytest.raises(ContextOverflow, match="does not fit the 300 tokens that scripted can read") as raised:
        stream(library, long, Writer(ScriptedChat([SERVICED], context_window=300)), Options(mode="compact", min_confidence=0.0))
    assert "shorter question" in str(raised.value.hint)
    fits = stream(library, long, Writer(ScriptedChat([SERVICED])), Options(mode="compact", min_confidence=0.0))[-1]
    assert isinstance(fits, Answer)
    assert fits.ledger.sent_tokens > 400


def test_evidence_is_cut_to_the_window(ask: Ask) -> None:
    result = ask(QUESTION, SERVICED, options=Options(mode="compact", max_tokens=50), window=110)
    assert result.ledger.sent_tokens + 50 <= 110
    assert result.ledger.sent


# --- quoting


def test_extract_quotes_and_needs_no_model(library: Library, ask: Ask) -> None:
    for writer in (None, Writer(ScriptedChat([]))):
        result = stream(library, QUESTION, writer, Options(mode="extract"))[-1]
        assert isinstance(result, Answer)
        check(result, library, [hit.chunk.id for hit in library.search(QUESTION)])
        assert (result.mode, result.notes, result.ledger.sent) == ("extract", (), ())
        assert result.sentences[0].text == result.citations[0].quote == SERVICED


def test_without_a_model_the_answer_says_so(library: Library) -> None:
    result = stream(library, QUESTION, None, COMPACT)[-1]
    assert isinstance(result, Answer)
    assert result.mode == "extract"
    assert "no chat model" in result.notes[0]


def test_a_list_is_quoted_whole(ask: Ask) -> None:
    result = ask("What are the known faults of the station?", options=Options())
    assert (result.mode, result.notes) == ("extract", ("a list is quoted, not retold",))
    lines = result.text.split("\n")
    assert lines[0] == "The station has these three known faults:"
    assert [line[:2] for line in lines[1:4]] == ["- "] * 3
    assert len(result.citations) >= 4


def test_chinese_is_quoted_where_the_model_cannot_write_it(ask: Ask) -> None:
    question = "发电机多久检修一次？"
    result = ask(question, languages=["en"])
    assert result.mode == "extract"
    assert "does not write Chinese" in result.notes[0]
    assert result.citations[0].quote == "发电机每四个月检修一次，由安娜负责。"
    result = ask(question, "发电机每四个月检修一次。", languages=["en", "zh"])
    assert (result.mode, statuses(result)) == ("compact", ["supported"])


# --- refusing


@pytest.mark.parametrize(
    ("question", "text"),
    [("Who composed the ninth symphony?", "The documents do not answer this."), ("谁写了红楼梦这本小说？", "这些文档没有回答这个问题。")],
)
def test_what_the_documents_do_not_tell_is_refused(question: str, text: str, ask: Ask) -> None:
    result = ask(question, "Beethoven did.")
    assert (result.refused, result.text, result.sentences, result.citations) == (True, text, (), ())
    assert result.refusal_reason
    assert 1 <= len(result.nearest) <= 3
    assert result.ledger.sent == ()
    assert len(result.ledger.dropped) == 5
    assert result.usage.completion_tokens == 0


def test_the_threshold_is_an_option(ask: Ask) -> None:
    assert ask(QUESTION, SERVICED, options=Options(mode="compact", min_confidence=1.0)).refused
    assert not ask("Who composed the ninth symphony?", "Beethoven did.", options=Options(mode="compact", min_confidence=0.0)).refused


# --- reading


def test_the_words_that_answer_are_told(library: Library) -> None:
    question = "Bread baked on?"
    result = stream(library, question, None, Options(mode="extract"), judges=Judges(FakeReader()))[-1]
    assert isinstance(result, Answer)
    assert result.short is not None
    cited = next(citation for citation in result.citations if citation.marker == result.short.marker)
    assert result.short.text == cited.quote[result.short.start - cited.start : result.short.end - cited.start] == "Monday morning"
    assert result.confidence is not None and result.confidence > 0.5
    unread = stream(library, question, None, Options(mode="extract"))[-1]
    assert isinstance(unread, Answer)
    assert unread.short is None


def test_a_reader_that_sees_no_answer_has_it_refused(library: Library) -> None:
    class Unsure(FakeReader):
        def read(self, question: str, texts: Sequence[str], titles: Sequence[str]) -> list[Reading]:
            return [replace(reading, score=-9.0) for reading in super().read(question, texts, titles)]

    close = stream(library, QUESTION, None, Options(mode="extract"), judges=Judges(FakeReader()))[-1]
    unsure = stream(library, QUESTION, None, Options(mode="extract"), judges=Judges(Unsure()))[-1]
    assert isinstance(close, Answer) and isinstance(unsure, Answer)
    assert (close.refused, unsure.refused) == (False, True)
    assert "confidence 0." in str(unsure.refusal_reason)
    assert unsure.nearest


def test_no_hits_are_a_refusal(library: Library) -> None:
    result = list(answer("Anything?", [], library.store, library.parts.embedder("hash-64"), None, Options(), Recorder()))
    assert len(result) == 1
    assert isinstance(result[0], Answer)
    assert result[0].refused
    assert result[0].nearest == ()


# --- the request


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_a_mistake(question: str, library: Library) -> None:
    with pytest.raises(UsageError, match="question is empty"):
        list(answer(question, [], library.store, library.parts.embedder("hash-64"), None, Options(), Recorder()))


def test_an_unknown_mode_is_a_mistake() -> None:
    with pytest.raises(UsageError, match='no answer mode "extrat"') as raised:
        Options(mode="extrat")
    assert raised.value.hint == 'did you mean "extract"?'


@pytest.mark.parametrize(
    ("text", "chinese"), [("什么是RAG？", True), ("What is 检索?", False), ("", False), ("RAG 的 Retrieval 是什么意思", True)]
)
def test_which_language_a_question_is_in(text: str, chinese: bool) -> None:
    assert is_chinese(text) is chinese


def test_the_same_question_gets_the_same_answer(ask: Ask) -> None:
    one, other = (ask(QUESTION, f"{SERVICED} {MADE_UP}") for _ in range(2))
    assert (one.text, one.sentences, one.citations, one.ledger) == (other.text, other.sentences, other.citations, other.ledger)
    assert one.trace_id != other.trace_id


def test_text_streams_as_it_is_written(library: Library) -> None:
    pieces = stream(library, QUESTION, Writer(ScriptedChat([f"{SERVICED} {FUEL}"])), COMPACT)
    deltas = [piece.text for piece in pieces if isinstance(piece, Delta)]
    assert len(deltas) > 10
    assert "".join(deltas) == f"{SERVICED} {FUEL}"
