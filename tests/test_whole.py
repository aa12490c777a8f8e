"""Questions about whole documents: which they are, which documents they mean, and answers that say how much was read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from wellread.library import Library
from wellread.models.fake import ScriptedChat
from wellread.options import Options
from wellread.sentences import sentence_spans
from wellread.types import Answer, Message, one_line
from wellread.whole.kinds import kind_of

STATION = Path(__file__).parents[1] / "examples" / "station"
CHINESE = Path(__file__).parents[1] / "examples" / "zh"
EXTRACT = Options(mode="extract")


@pytest.mark.parametrize(
    ("kind", "questions"),
    [
        (
            "summarize",
            "Summarise the handbook|Can you please summarize this document in three sentences?|What is this paper about?|TL;DR"
            "|Give me a short overview of the report.|What are the main points of the paper?"
            "|总结一下这份文档|请概括手册的主要内容|这篇论文讲了什么？",
        ),
        (
            "compare",
            "Compare the handbook with the log on water.|What is the difference between the two reports?|How do the two papers differ?"
            "|比较手册和日志|手册和日志有什么区别？",
        ),
        (
            "list",
            "List all known weaknesses.|What are all the drawbacks of RAG?|Which methods are mentioned in the paper?|Name every author."
            "|List the chapters|列出所有弱点|文中提到了哪些弱点？",
        ),
        (
            "count",
            "How many weaknesses does the handbook list?|How many sections are there?|How many times is the desalinator mentioned?"
            "|How many documents mention water?|How many drawbacks are listed in the report?"
            "|文中提到了几个弱点？|一共有多少章？|水泵被提到了几次？",
        ),
        (
            None,
            "How many solar panels charge the batteries?|How often is the generator serviced?|Who summarised the data?"
            "|Name the capital of France.|What is the summary statistic used?|How many people live in Paris?"
            "|What are the known weaknesses of the set-up?|How many species are there in the Amazon?"
            "|Show me how to reset the password|Which cities are named in the treaty?|What is the list price?"
            "|发电机有几台？|太阳能板有多少块？|补给船什么时候开航？|检索增强生成有哪些缺点？|总结会什么时候召开？",
        ),
    ],
)
def test_which_questions_are_about_whole_documents(kind: str | None, questions: str) -> None:
    assert {question: kind_of(question) for question in questions.split("|")} == dict.fromkeys(questions.split("|"), kind)


@pytest.fixture
def station(open_library: Callable[..., Library]) -> Library:
    library = open_library()
    library.add(STATION)
    return library


def ask(library: Library, question: str, options: Options = EXTRACT) -> Answer:
    """Asks, and checks what holds of every answer from whole documents."""
    result = library.ask(question, options=options)
    assert not result.refused
    for citation in result.citations:
        assert library.document(citation.document).text[citation.start : citation.end] == citation.quote
    for sentence in result.sentences:
        assert result.text[sentence.start : sentence.end] == sentence.text
        assert bool(sentence.citations) == (sentence.status == "supported")
    return result


def coverage(result: Answer) -> tuple[int, int, int]:
    """Passages read, passages there, documents; every passage read is in the ledger, once."""
    told = re.match(r"read (\d+) of (\d+) passages of (\d+) document", result.notes[0])
    assert told, result.notes
    listed = [sent.chunk for sent in result.ledger.sent] + [dropped.chunk for dropped in result.ledger.dropped]
    assert len(listed) == len(set(listed)) == int(told[1])
    return int(told[1]), int(told[2]), int(told[3])


# --- which documents


def test_a_document_is_meant_by_its_title_its_file_name_a_part_of_them_or_a_filter(station: Library) -> None:
    for question, options in (
        ("Summarise the handbook", EXTRACT),
        ("Summarise Skerry Point Research Station: Handbook", EXTRACT),
        ("Summarise “handbook.md”", EXTRACT),
        ("Summarise the document", Options(mode="extract", filter="title:handbook")),
    ):
        result = ask(station, question, options)
        assert {Path(citation.source).name for citation in result.citations} == {"handbook.md"}, question
        assert coverage(result) == (6, 6, 1)


def test_several_documents_have_a_part_each(station: Library) -> None:
    result = ask(station, "Summarise these documents")
    titles = [sentence.text for sentence in result.sentences if sentence.status == "uncited"]
    assert titles == ["Skerry Point Research Station: Handbook:", "Visiting Skerry Point:", "log-2025.txt:"]
    assert coverage(result) == (11, 11, 3)


def test_a_question_that_does_not_say_which_document_is_searched_for_and_says_so(station: Library) -> None:
    result = station.ask("Summarise the treaty of the sea urchins", options=Options(mode="extract", min_confidence=0.0))
    assert "name it by its title" in " ".join(result.notes)


def test_whole_documents_are_left_alone_on_request_and_in_other_modes(station: Library) -> None:
    for options in (Options(mode="extract", whole=False, min_confidence=0.0), Options(mode="compact", min_confidence=0.0)):
        assert not any(note.startswith("read ") for note in station.ask("Summarise the handbook", options=options).notes)


def test_pages_that_a_filter_shuts_out_are_said_to_be_left_out(open_library: Callable[..., Library], docs_set: Path) -> None:
    library = open_library()
    library.add(docs_set / "pdf" / "normal_4pages.pdf")
    result = library.ask("Summarise the document", options=Options(mode="extract", filter="page:1"))
    read, there, _ = coverage(result)
    assert read < there
    assert "left out by the filter" in result.notes[0]


# --- what they say


def test_a_summary_is_as_long_as_was_asked_for_and_in_reading_order(station: Library) -> None:
    for question, count in (("Summarise the handbook in two sentences", 2), ("Summarise the handbook in 4 sentences", 4)):
        result = ask(station, question)
        assert len(result.sentences) == count
        starts = [citation.start for citation in result.citations]
        assert starts == sorted(starts)


def test_a_comparison_has_a_part_for_each_from_its_own_evidence(station: Library) -> None:
    result = ask(station, "Compare the handbook with the log on the desalinator")
    titles = [at for at, sentence in enumerate(result.sentences) if sentence.status == "uncited"]
    assert [result.sentences[at].text for at in titles] == ["Skerry Point Research Station: Handbook:", "log-2025.txt:"]
    by_marker = {citation.marker: Path(citation.source).name for citation in result.citations}
    first, second = result.sentences[1 : titles[1]], result.sentences[titles[1] + 1 :]
    assert {by_marker[marker] for sentence in first for marker in sentence.citations} == {"handbook.md"}
    assert {by_marker[marker] for sentence in second for marker in sentence.citations} == {"log-2025.txt"}
    assert all("esalinator" in sentence.text for sentence in (*first, *second))
    silent = ask(station, "Compare the handbook with the log on the stove")
    assert silent.text.endswith("log-2025.txt:\nNothing about this was found in it.")


def test_a_list_is_quoted_whole_and_counted(station: Library) -> None:
    result = ask(station, "How many weaknesses does the handbook list?")
    lines = result.text.split("\n")
    assert lines[0] == "There are 3:"
    assert [line[:2] for line in lines[2:]] == ["1.", "2.", "3."]
    assert len(result.sentences[0].citations) == 3
    assert ask(station, "List all known weaknesses of the handbook").text.split("\n") == lines[1:]


def test_headings_mentions_and_documents_are_counted(station: Library) -> None:
    assert ask(station, "How many sections does the handbook have?").text.startswith("There are 5:\nArriving\n")
    mentions = ask(station, "How many times is the desalinator mentioned in the handbook?")
    assert mentions.text == "Mentioned 3 times, in 3 sentences."
    assert len(mentions.citations) == 3
    assert ask(station, "How many documents mention the desalinator?").text.startswith("2 of 3 documents:")


def test_what_nothing_lists_is_quoted_and_not_counted(station: Library) -> None:
    result = ask(station, "How many drones are mentioned?")
    assert "There" not in result.text
    assert "Drones are not allowed" in result.text
    assert "not counted" in " ".join(result.notes)


def test_what_no_document_speaks_of_goes_to_the_search_and_is_refused_there(station: Library) -> None:
    assert station.ask("List all violins", options=EXTRACT).refused


def test_chinese(open_library: Callable[..., Library]) -> None:
    library = open_library()
    library.add(CHINESE)
    listed = ask(library, "列出所有弱点").text.split("\n")
    assert [line[:2] for line in listed[1:]] == ["1.", "2.", "3."]
    assert ask(library, "文中提到了几个弱点？").text.startswith("共3项：")
    assert ask(library, "海水淡化机被提到了几次？").text == "提到3次，见于3句。"
    assert len(ask(library, "用两句话总结一下手册").sentences) == 2


# --- with a model that reads


def retold(messages: Sequence[Message]) -> str:
    """The first sentences of what it is shown, and one that nothing supports."""
    text = one_line(messages[-1].content)
    shown = [text[start:end] for start, end in sentence_spans(text)]
    return " ".join([*shown[:2], "Penguins dance around the generator."])


def test_a_model_reads_every_passage_part_by_part(open_library: Callable[..., Library]) -> None:
    chat = ScriptedChat([retold] * 30, context_window=260)
    library = open_library(chat=chat)
    library.add(STATION / "handbook.md")
    options = Options(max_tokens=60)
    result = ask(library, "Summarise the handbook", options)
    assert (result.mode, result.model.name) == ("tree_summarize", "scripted")
    assert coverage(result) == (6, 6, 1)
    assert len(result.ledger.sent) == 6
    assert 3 <= len(chat.asked) <= options.max_calls
    assert "Penguins" not in result.text  # nothing supports it
    assert "not supported and are left out" in " ".join(result.notes)
    assert not any("Penguins" in message.content for asked in chat.asked for message in asked)


def test_what_the_budget_of_calls_does_not_reach_is_named(open_library: Callable[..., Library]) -> None:
    chat = ScriptedChat([retold] * 30, context_window=260)
    library = open_library(chat=chat)
    library.add(STATION / "handbook.md")
    result = ask(library, "Summarise the handbook", Options(max_tokens=60, max_calls=1))
    assert len(chat.asked) == 1
    assert coverage(result) == (6, 6, 1)
    assert 0 < len(result.ledger.sent) < 6
    assert {dropped.reason for dropped in result.ledger.dropped} <= {
        "over the budget of 1 calls of the model",
        "read, and quoted without the model",
    }
    assert f"read {len(result.ledger.sent)} of them" in result.notes[0]


def test_a_model_that_makes_things_up_is_not_followed(open_library: Callable[..., Library]) -> None:
    library = open_library(chat=ScriptedChat(["Penguins dance. They dance around every generator of the universe."] * 30))
    library.add(STATION / "handbook.md")
    result = ask(library, "Summarise the handbook", Options())
    assert all(sentence.status == "supported" for sentence in result.sentences)
    assert "its own sentences are quoted" in " ".join(result.notes)


def test_items_that_a_model_picks_out_are_checked_and_counted(open_library: Callable[..., Library]) -> None:
    told = "- Drones are not allowed during the breeding season\n- Unicorns must be fed\n- Dogs must stay on the boat"
    library = open_library(chat=ScriptedChat([told]))
    library.add(STATION / "visitors.html")
    result = ask(library, "How many prohibitions are mentioned?", Options())
    assert result.text.split("\n") == [
        "There are 2:",
        "- Drones are not allowed during the breeding season",
        "- Dogs must stay on the boat",
    ]
    assert "picked out by the model" in " ".join(result.notes)
