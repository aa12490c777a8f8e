"""Claims with a text each, and whether the text supports the claim, to teach a checker from.

True claims are made of the paragraph that answers a question: the question with its answer, or a sentence as it is or shortened. False
ones are true ones with one thing changed, with another answer, or beside a part of the paragraph that does not say it. A checker that has
seen only claims and texts on different matters learns to compare words; these differ in one. The changes are those of FactCC (Kryściński
et al. 2020, arXiv:1910.12840: entity, number, negation), and of SQuAD 2.0: see `wellread.train.twins`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wellread.sentences import sentence_spans
from wellread.train.pairs import Question
from wellread.train.twins import NAME, NUMBER, OPPOSITES, both_ways, having_opposites, other_name, other_number, put
from wellread.words import content_words

Change = Literal["name", "number", "role", "opposite", "negation", "word"]
"""What was changed in a claim: a name, a number, who of two is who, a word into its opposite, a verb into its negation, any other word."""

_MORE_OPPOSITES = both_ways(
    "always never,all none,many few,increased decreased,rise fall,rose fell,higher lower,larger smaller,accepted rejected,"
    "allowed forbidden,include exclude,included excluded,success failure,successful unsuccessful,legal illegal,modern ancient,"
    "left right,long short,fast slow,near far,agreed refused,gained lost,joined left,arrived departed,able unable,likely unlikely,"
    "possible impossible,important unimportant,father son,mother daughter,husband brother,wife sister,king queen,city village,"
    "million billion,thousand million,day week,month year,years months,hours minutes,percent degrees,kilometers metres,miles yards,"
    "dollars euros,some all,sometimes always,often rarely,usually never,partly entirely,may must,can cannot,only also,"
    "January July,February September,March October,April November,May August,June December"
)
_OPPOSITES = {**_MORE_OPPOSITES, **OPPOSITES}
_AUXILIARIES = "is|was|were|are|did|does|do|has|have|had|can|could|will|would|should|may|might|must"
_AUXILIARY = re.compile(rf"\b(?:{_AUXILIARIES})\b")
_NOT = re.compile(r" (?:not|never)\b")
_SMALL = re.compile(r"\b[a-z]{5,}\b")
_ASKED = re.compile(r"\b(?:who|whom|whose|what|which|where|when|how many|how much|how long|how old|why|how)\b", re.IGNORECASE)
_ADVERBS = ("where", "when", "how", "why", "how long", "how old")
_NOUNS = re.compile(rf"(?! (?:{_AUXILIARIES})\b)((?: [\w'’-]+){{1,5}}?)(?= (?:{_AUXILIARIES})\b)")
_TURNED = re.compile(r"^(is|was|were|are|has|have|had|can|could|will|would) ((?:the |a |an )?[\w'’-]+(?: [A-Z][\w'’-]*)*)")
_BRACKETS = re.compile(r"\s*\([^)]*\)")
_CLAUSE = re.compile(r"(?<=\w), (?=which|who|where|and|but|although|while|with|after|before|including)")

_STATED = 0.75  # of the questions become statements
_LONGEST_ANSWER = 80  # code points that fit into a statement
_OTHER_ANSWER = 0.5  # of the questions get one, where there is one
_WHOLE, _WHOLE_LENGTH = 0.3, 600  # of the other answers are read against the whole paragraph, if it has fewer code points
_ELSEWHERE = (
    0.3  # of the questions stand beside a sentence without the answer, and of the sentences (a little fewer) beside their neighbour
)
_NEIGHBOUR = 0.25
_SENTENCE = range(41, 300)  # code points of a sentence that is a claim
_SECOND = range(31, 200)  # and of one that is joined to it
_JOINED = 0.35
_SCATTERED = 0.35  # of the texts are sentences picked from the paragraph, as a library picks them
_NEAR = 0.6  # of the names come from the same paragraph, the others from the same article
_FROM_PARAGRAPH = 0.5  # of the numbers do; the others have a digit changed
_LENDERS, _LENT_PARAGRAPHS = 8, 2  # questions on the same matter whose text lends names and words, and that lend a paragraph as well


@dataclass(frozen=True, slots=True)
class Row:
    """A claim and a text; `label` is whether the text supports it. `origin` is what the claim was made of, and `kind` what is wrong:
    a `Change`, another "answer" than the right one, or that the text says it not, but one "elsewhere" does; nothing when "true"."""

    claim: str
    evidence: str
    label: bool
    origin: Literal["answer", "sentence"]
    kind: Change | Literal["true", "answer", "elsewhere"]


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """A paragraph, its sentences, and texts on the same matter that lend names and words."""

    text: str
    spans: list[tuple[int, int]]
    far: tuple[str, ...]

    def sentence(self, at: int) -> str:
        start, end = self.spans[at]
        return self.text[start:end]

    def around(self, first: int, last: int, chance: random.Random) -> str:
        """Some sentences of the paragraph, the first and the last of these among them."""
        count = len(self.spans)
        if count > 2 and chance.random() < _SCATTERED:
            others = chance.sample(range(count), chance.choice((1, 2)))
            return " ".join(self.sentence(at) for at in sorted({first, last, *others}))
        low, high = max(0, first - chance.choice((0, 0, 1, 1, 2))), min(count - 1, last + chance.choice((0, 0, 1, 1)))
        return self.text[self.spans[low][0] : self.spans[high][1]]


def rows_of(questions: Sequence[Question], chance: random.Random) -> list[Row]:
    """What is learned from, in the order of the questions; those that nothing answers only lend words. About three rows for a question."""
    by_article: dict[str, list[Question]] = {}
    for each in questions:
        by_article.setdefault(each.article, []).append(each)
    found = []
    for each in questions:
        if each.gold is None:
            continue
        others = by_article[each.article]
        lenders = chance.sample(others, min(_LENDERS, len(others)))
        far = (*(other.text for other in lenders), *(chance.choice(other.paragraphs) for other in lenders[:_LENT_PARAGRAPHS]))
        text = each.paragraphs[each.gold]
        paragraph = _Paragraph(text, sentence_spans(text), far)
        found += [*_of_answer(each, paragraph, chance), *_of_sentence(paragraph, chance)]
    return found


def _of_answer(question: Question, paragraph: _Paragraph, chance: random.Random) -> list[Row]:
    """The question with its answer, and false claims like it; nothing when no sentence holds the answer."""
    right = question.answers[0]
    places = range(len(paragraph.spans))
    holding = [at for at in places if right in paragraph.sentence(at)]
    if not holding:
        return []
    asked = set(content_words(question.text))
    at = max(holding, key=lambda at: len(asked & set(content_words(paragraph.sentence(at)))))
    evidence = paragraph.around(at, at, chance)
    as_statement = len(right) < _LONGEST_ANSWER and chance.random() < _STATED

    def claim_of(answer: str) -> str:
        return (stated(question.text, answer) if as_statement else None) or f"{question.text} {answer}"

    claim = claim_of(right)
    rows = [Row(claim, evidence, True, "answer", "true")]
    wrong = _other_answers(question, paragraph.text)
    if wrong and chance.random() < _OTHER_ANSWER:
        whole = len(paragraph.text) < _WHOLE_LENGTH and chance.random() < _WHOLE
        rows.append(Row(claim_of(chance.choice(wrong)), paragraph.text if whole else evidence, False, "answer", "answer"))
    elif (changed := corrupted(claim, paragraph.text, paragraph.far, chance)) is not None:
        rows.append(Row(changed[0], evidence, False, "answer", changed[1]))
    silent = [at for at in places if at not in holding]
    if silent and chance.random() < _ELSEWHERE:
        rows.append(Row(claim, paragraph.sentence(chance.choice(silent)), False, "answer", "elsewhere"))
    return rows


def _other_answers(question: Question, text: str) -> list[str]:
    """Names of the paragraph, or numbers when the answer is one, that are neither an answer, nor part of one, nor asked about."""
    like = NUMBER if NUMBER.fullmatch(question.answers[0]) else NAME
    found = [each for each in like.findall(text) if each not in question.text]
    return [each for each in found if not any(each in answer or answer in each for answer in question.answers)]


def _of_sentence(paragraph: _Paragraph, chance: random.Random) -> list[Row]:
    """A sentence of the paragraph, and perhaps another joined to it, with a false twin each; nothing when it is too short or too long."""
    count = len(paragraph.spans)
    at = chance.randrange(count) if count else 0
    if not count or len(paragraph.sentence(at)) not in _SENTENCE:
        return []
    claim = shortened(paragraph.sentence(at), chance)
    rows = _with_twin(claim, at, at, paragraph, chance)
    if count > 1 and chance.random() < _JOINED:
        other = chance.choice([each for each in range(count) if each != at])
        if len(paragraph.sentence(other)) in _SECOND:
            one, two = chance.sample([claim, paragraph.sentence(other)], 2)
            both = one.rstrip(". ") + chance.choice((", and ", "; ", ". ")) + two
            rows += _with_twin(both, min(at, other), max(at, other), paragraph, chance)
    if count > 1 and chance.random() < _NEIGHBOUR:
        rows.append(Row(claim, paragraph.sentence(at - 1 if at else 1), False, "sentence", "elsewhere"))
    return rows


def _with_twin(claim: str, first: int, last: int, paragraph: _Paragraph, chance: random.Random) -> list[Row]:
    rows = [Row(claim, paragraph.around(first, last, chance), True, "sentence", "true")]
    changed = corrupted(claim, paragraph.text, paragraph.far, chance)
    if changed is not None:
        rows.append(Row(changed[0], paragraph.around(first, last, chance), False, "sentence", changed[1]))
    return rows


def shortened(sentence: str, chance: random.Random) -> str:
    """The sentence, or it without what stands in brackets and a clause at its end, or without what stands before its first comma."""
    way = chance.random()
    if way < 0.35:
        whole = _BRACKETS.sub("", sentence)
        first, *more = _CLAUSE.split(whole)
        return f"{first.rstrip('.')}." if more else whole
    if way < 0.5 and ", " in sentence[:60] and sentence[0].isupper():
        _, rest = sentence.split(", ", 1)
        return rest[:1].upper() + rest[1:]
    return sentence


def stated(question: str, answer: str) -> str | None:
    """A question and its answer as one statement, in rough English; None when it asks with none of the usual words."""
    question = question.strip().rstrip("?").strip()
    match = _ASKED.search(question)
    if match is None:
        return None
    asked, before, rest = match.group().lower(), question[: match.start()], question[match.end() :]
    nouns = _NOUNS.match(rest) if asked in ("what", "which", "whose", "how many", "how much") else None
    if nouns:  # "how many years did" asks for years, "what year did" for what is in the answer
        rest = rest[nouns.end() :]
        if asked.startswith("how") and not any(word in answer for word in nouns.group().split()):
            answer += nouns.group()
    if asked == "why":
        answer = f"because of {answer}"
    rest = re.sub(r"^ (?:did|does|do) ", " ", rest)
    if asked in _ADVERBS and not before:
        place = " in " if asked in ("where", "when") else " "
        claim = _TURNED.sub(r"\2 \1", rest.strip() + place + answer)
    else:
        claim = (before + answer + rest).strip()
    return f"{claim[:1].upper()}{claim[1:]}."


def corrupted(claim: str, near: str, far: Sequence[str], chance: random.Random) -> tuple[str, Change] | None:
    """The claim with one thing changed, and what; None when what was drawn cannot be. `near` is the paragraph of the claim and `far` are
    texts on the same matter: their names, numbers and words are taken."""
    names, numbers = list(NAME.finditer(claim)), list(NUMBER.finditer(claim))
    words = having_opposites(claim, _OPPOSITES)
    verb = _AUXILIARY.search(claim)
    weights: dict[Change, int] = {
        "name": 3 * bool(names),
        "role": len(names) > 1,
        "number": 3 * bool(numbers),
        "opposite": 4 * bool(words),
        "negation": verb is not None,
        "word": 1,
    }
    (kind,) = chance.choices(list(weights), list(weights.values()))
    changed = with_other(kind, claim, near, far, chance)
    return None if changed is None else (changed, kind)


def with_other(kind: Change, claim: str, near: str, far: Sequence[str], chance: random.Random) -> str | None:
    """The claim with one thing of this kind changed; None when it has none, or nothing to put in its place."""
    names, numbers = list(NAME.finditer(claim)), list(NUMBER.finditer(claim))
    words = having_opposites(claim, _OPPOSITES)
    verb = _AUXILIARY.search(claim)
    if kind == "name" and names:
        return other_name(claim, chance.choice(names), [near] if chance.random() < _NEAR else far, chance)
    if kind == "role" and len(names) > 1:
        one, other = sorted(chance.sample(names, 2), key=re.Match.start)
        return _swapped(claim, one, other)
    if kind == "number" and numbers:
        return other_number(claim, chance.choice(numbers), [near] if chance.random() < _FROM_PARAGRAPH else [], chance)
    if kind == "opposite" and words:
        return put(claim, *chance.choice(words))
    if kind == "negation" and verb is not None:
        return _negated(claim, verb.end())
    return _other_word(claim, far, chance) if kind == "word" else None


def _swapped(claim: str, one: re.Match[str], other: re.Match[str]) -> str | None:
    between = claim[one.end() : other.start()]
    if one.group() == other.group() or between in (" and ", " or ", ", "):  # "Dresden and Hamburg" are no one's roles
        return None
    return claim[: one.start()] + other.group() + between + one.group() + claim[other.end() :]


def _negated(claim: str, verb_end: int) -> str:
    rest = claim[verb_end:]
    negation = _NOT.match(rest)
    return claim[:verb_end] + (rest[negation.end() :] if negation else f" not{rest}")


def _other_word(claim: str, far: Sequence[str], chance: random.Random) -> str | None:
    """With a word of the same ending, which most often makes it the same part of speech."""
    matches = list(_SMALL.finditer(claim))
    if not matches:
        return None
    match = chance.choice(matches)
    old = match.group()
    words = [word for text in far for word in _SMALL.findall(text) if word not in claim]
    fitting = [word for word in words if word[-3:] == old[-3:] and word[:3] != old[:3]]
    return put(claim, match, chance.choice(fitting)) if fitting else None
