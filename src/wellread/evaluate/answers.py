"""Whether a short answer is the gold one: exact match and token F1, for English and for Chinese.

Every measure takes an answer and the gold answers, gives the best over these, and lies in 0..1. No answer is the empty text; a question
that has none has no gold answers. `exact_match` and `token_f1` are to be used by default. Where figures are to stand beside published
ones, take the `squad_` or `cmrc_` functions, which do what the official scripts of those two data sets do.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from wellread.words import CJK

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
# The marks of CMRC's script, and the range of Chinese characters it knows.
_CMRC_MARKS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
_CMRC_DROPPED = str.maketrans("", "", _CMRC_MARKS)
_CMRC_PIECE = re.compile(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+|[^\w\s]")


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """Whether the answer has the same tokens as a gold one, in the same order, 0 or 1. `token_f1` says what a token is."""
    return _best(answer, golds, _tokens, _same)


def token_f1(answer: str, golds: Sequence[str]) -> float:
    """The harmonic mean of precision and recall of tokens: characters where the script is CJK, words elsewhere.

    ASCII text is scored exactly as `squad_f1` does. Other text is first brought to one form (NFKC; marks of any script are
    dropped), so 「３月，北京」 equals "3月 北京". The tokens are counted as a bag, as SQuAD does, not as CMRC's longest common run.
    """
    return _best(answer, golds, _tokens, _overlap)


def holds_answer(answer: str, golds: Sequence[str]) -> float:
    """Whether the tokens of a gold answer stand in the answer, one after the other, 0 or 1: the measure for answers in whole sentences.

    Of a question without an answer, no answer is right.
    """
    return _best(answer, golds, _tokens, _held)


def squad_exact_match(answer: str, golds: Sequence[str]) -> float:
    """Whether the answer is a gold one but for case, ASCII punctuation, articles and white space, 0 or 1.

    Source: Rajpurkar et al. 2016 and 2018, the script evaluate-v2.0.py, in which an answer to a question without one must be empty.
    """
    return _best(answer, golds, _squad_tokens, _same)


def squad_f1(answer: str, golds: Sequence[str]) -> float:
    """The F1 of the bags of words, normalised as in `squad_exact_match`. Source: evaluate-v2.0.py of SQuAD."""
    return _best(answer, golds, _squad_tokens, _overlap)


def cmrc_exact_match(answer: str, golds: Sequence[str]) -> float:
    """Whether the answer is a gold one but for case and the marks that CMRC drops, 0 or 1; white space inside counts.

    Source: Cui et al. 2019, A Span-Extraction Dataset for Chinese Machine Reading Comprehension, cmrc2018_evaluate.py.
    """
    return float(any(_cmrc_plain(answer) == _cmrc_plain(gold) for gold in golds))


def cmrc_f1(answer: str, golds: Sequence[str]) -> float:
    """The F1 of the longest run of tokens that both have without a gap: CMRC's "LCS", which is a substring, not a subsequence.

    Chinese characters are one token each. What is not Chinese is cut at white space and marks, where the script calls NLTK's
    word_tokenize: they part over English contractions and the like, never over Chinese. Source: cmrc2018_evaluate.py.
    """
    said = _CMRC_PIECE.findall(_cmrc_plain(answer))
    return max((_cmrc_run_f1(said, _CMRC_PIECE.findall(_cmrc_plain(gold))) for gold in golds), default=0.0)


def _best(answer: str, golds: Sequence[str], cut: Callable[[str], list[str]], score: Callable[[list[str], list[str]], float]) -> float:
    # The script leaves out gold answers of which normalisation leaves nothing; with none left, the right answer is no answer.
    wanted = [gold for gold in map(cut, golds) if gold] or [[]]
    said = cut(answer)
    return max(score(said, gold) for gold in wanted)


def _same(said: list[str], gold: list[str]) -> float:
    return float(said == gold)


def _held(said: list[str], gold: list[str]) -> float:
    if not gold:
        return float(not said)
    return float(any(said[at : at + len(gold)] == gold for at in range(len(said) - len(gold) + 1)))


def _overlap(said: list[str], gold: list[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    common = (Counter(said) & Counter(gold)).total()
    return 2 * common / (len(said) + len(gold))


def _squad_tokens(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def _tokens(text: str) -> list[str]:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", "".join(_without_mark(char) for char in text))
        text = CJK.sub(r" \g<0> ", text)
    return _squad_tokens(text)


def _without_mark(char: str) -> str:
    if char == "’":
        return "'"
    return " " if not char.isascii() and unicodedata.category(char)[0] in "PS" else char


def _cmrc_plain(text: str) -> str:
    return text.lower().strip().translate(_CMRC_DROPPED)


def _cmrc_run_f1(said: list[str], gold: list[str]) -> float:
    longest, before = 0, [0] * (len(gold) + 1)
    for token in said:
        row = [0] * (len(gold) + 1)
        for place, other in enumerate(gold, 1):
            if token == other:
                row[place] = before[place - 1] + 1
        longest, before = max(longest, *row), row
    return 2 * longest / (len(said) + len(gold)) if longest else 0.0
