"""Questions that rules write about a sentence, a heading, a line of a form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.scoreboard.chinese import chinese_questions
from wellread.scoreboard.drafts import drafts_of
from wellread.scoreboard.english import english_questions
from wellread.types import Document, Section


@pytest.mark.parametrize(
    ("sentence", "question", "answer"),
    [
        ("The logger keeps ninety days and sends a copy each night.", "How many days does the logger keep?", "ninety days"),
        ("Water comes from the pump, which makes 160 litres an hour.", "How many litres does the pump make an hour?", "160 litres"),
        ("There are 412 burrows on the north slope.", "How many burrows are there on the north slope?", "412 burrows"),
        ("Net revenue increased $39 million or 2% in the north.", "How much did Net revenue increase in the north?", "$39 million"),
        ("The lighthouse was built in 1884.", "When was the lighthouse built?", "1884"),
        ("In March 2021, the board approved the new mast.", "", ""),  # "approved" is no verb that is known here
        ("In March 2021, the crew opened the new mast.", "When did the crew open the new mast?", "March 2021"),
        ("The boat runs on Tuesdays and Fridays in summer.", "On which days does the boat run in summer?", "Tuesdays and Fridays"),
        ("Ines Halvorsen took over as station manager.", "Who took over as station manager?", "Ines Halvorsen"),
        ("The station manager is Ines Halvorsen.", "Who is the station manager?", "Ines Halvorsen"),
        ("A duckling is a young duck in downy plumage.", "What is a duckling?", "a young duck in downy plumage"),
        ("The logger is kept in the old lab.", "Where is the logger kept?", "in the old lab"),
        ("The stove burns wood pellets.", "What does the stove burn?", "wood pellets"),
        ("The pump must rest because it runs hot.", "Why must the pump rest?", "it runs hot"),
        ("It makes 160 litres an hour.", "", ""),
        ("The test runs are made in the lab and so on.", "", ""),
        ("The mast carries a lamp, a vane and two aerials.", "", ""),  # the answer would be cut off
    ],
)
def test_an_english_sentence_is_asked_about(sentence: str, question: str, answer: str) -> None:
    asked = english_questions(sentence, lambda word: False)
    if question:
        assert (question, answer) in [(one[0], one[1]) for one in asked]
    else:
        assert asked == []


@pytest.mark.parametrize(
    ("sentence", "question", "answer"),
    [
        ("饮用水来自海水淡化机，每小时可生产160升。", "饮用水来自海水淡化机，每小时可生产多少升？", "160升"),
        ("科考站建于1987年，由大学管理。", "科考站建于什么时候？", "1987年"),
        ("电量低于百分之三十时，发电机会启动。", "电量低于百分之多少时，发电机会启动？", "百分之三十"),
        ("补给船每年星期二和星期五开航。", "补给船每年星期几开航？", "星期二和星期五"),
        ("新泵需要六个星期才能送到。", "新泵需要多少个星期才能送到？", "六个星期"),
        ("检索增强是一种让模型先查资料再回答的方法。", "什么是检索增强？", "一种让模型先查资料再回答的方法"),
        ("條約於1854年在巴黎簽訂，國王沒有到場。", "條約於什麼時候在巴黎簽訂？", "1854年"),
        ("1930年代是报社最困难的一段时期。", "", ""),
        ("它每小时可生产160升。", "", ""),
        ("船长在前一天中午决定是否开船。", "", ""),
    ],
)
def test_a_chinese_sentence_is_asked_about(sentence: str, question: str, answer: str) -> None:
    asked = [(one[0], one[1]) for one in chinese_questions(sentence)]
    assert (question, answer) in asked if question else asked == []


WORD = st.sampled_from(
    "The pump makes is was 160 12 litres days of in 1884 on Tuesdays because and which , $5 Ines Halvorsen a an 水".split()
)


@given(st.lists(WORD, min_size=2, max_size=14))
def test_an_answer_stands_in_its_sentence_and_not_in_its_question(words: list[str]) -> None:
    sentence = " ".join(words).replace(" ,", ",") + "."
    for question, answer, _, _ in english_questions(sentence, lambda word: True):
        assert question.endswith("?")
        assert answer in sentence
        assert answer not in question


def test_headings_and_forms_are_asked_about() -> None:
    text = "Pump manual\n\nReplacing the seal\n\nThe seal of the pump is worn after a year.\nDo it soon.\n\nSerial number: AB 1234\n"
    sections = (Section(1, "Pump manual", 0, len(text)), Section(2, "Replacing the seal", text.index("Replacing"), len(text)))
    manual = Document("d", "manual.txt", "Pump manual", "text/plain", text, sections=sections)
    drafts = {draft.kind: draft for draft in drafts_of(manual)}
    heading, value = drafts["heading"], drafts["value"]
    assert heading.question == 'What does "Pump manual" say about "Replacing the seal"?'
    assert heading.answer == "The seal of the pump is worn after a year."
    assert text[heading.start : heading.end] == "The seal of the pump is worn after a year.\nDo it soon."
    assert (value.question, value.answer) == ('What is the "Serial number" in "Replacing the seal"?', "AB 1234")
    assert text[value.start : value.end] == "Serial number: AB 1234"


def test_of_a_language_without_rules_nothing_is_asked() -> None:
    text = "Die Pumpe liefert 160 Liter in der Stunde und wird jeden Abend gespült. " * 5
    assert drafts_of(Document("d", "pumpe.txt", "Pumpe", "text/plain", text)) == []
