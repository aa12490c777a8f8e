"""Text as words: the one analysis that keyword search, fusion and the checker share. Works on a normalised copy, never on offsets.

CJK text has no spaces, so a run of it becomes overlapping pairs of characters; measured, such bigrams find as well as a dictionary
segmenter does.
"""

from __future__ import annotations

import re
import unicodedata

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_TOKEN = re.compile(rf"(?P<cjk>[{_CJK}]+)|(?P<number>\d+(?:[.,]\d+)*)|(?P<word>[^\W\d_{_CJK}]+(?:['’][^\W\d_]+)*\d*)")
_ASCII = re.compile(r"[a-z]+(?:'[a-z]+)*\d*|\d+(?:[.,]\d+)*")
_ENGLISH = frozenset("the of and to is are were with that for this which from by it has have not at".split())
_ENGLISH_SHARE = 0.04
CJK = re.compile(f"[{_CJK}]")
"""A character that has no spaces between its words: kana, Han with its extensions and compatibility forms, Hangul."""

# Words that tell nothing about what a text is about, in the two languages we serve.
STOP_WORDS = frozenset(
    "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it its me my no not"
    " of on or our she should so than that the their them then there these they this to was we were what when where which who whom whose"
    " why will with would you your about also any only such between during over under according here yes below following sure".split()
)
_CJK_ASKING = re.compile(
    "有哪些|哪些|哪个|哪种|哪一|什么是|是什么|什么|如何|怎么样|怎么|怎样|为什么|为何|多少|几个|几种|请问|是否|谁|吗|呢|主要|各有|需要"
)


def words(text: str) -> list[str]:
    """The words of a text, NFKC-normalised and case-folded; CJK runs as bigrams, a lone CJK character as itself."""
    if text.isascii():  # two to three times as fast, and the same
        return _ASCII.findall(text.lower())
    tokens: list[str] = []
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text).casefold()):
        run = match["cjk"]
        if run is None:
            tokens.append(match.group().replace("’", "'"))
        elif len(run) == 1:
            tokens.append(run)
        else:
            tokens.extend(run[i : i + 2] for i in range(len(run) - 1))
    return tokens


def asked_words(question: str) -> list[str]:
    """The words of a question that tell what it is about; all of its words when none of them does."""
    kept = [word for word in words(_CJK_ASKING.sub(" ", question)) if word not in STOP_WORDS]
    return kept or words(question)


def content_words(text: str) -> list[str]:
    """`words` without stop words, each cut to its stem."""
    return [stem(word) for word in words(_CJK_ASKING.sub(" ", text)) if word not in STOP_WORDS]


def stem(word: str) -> str:
    """A light English stem, for comparing two texts: plural, -ing, -ed and possessive endings go. Other scripts pass through."""
    word = word.removesuffix("'s")
    if not word.isascii() or len(word) < 4 or not word.isalpha():
        return word
    for ending, keep in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if word.endswith(ending):
            return word.removesuffix(ending) + keep
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        root = word.removesuffix(ending)
        if root != word and len(root) >= 3 and re.search("[aeiouy]", root):
            root = root[:-1] if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "lsz" else root
            return root.removesuffix("e")
    return word.removesuffix("e") if len(word) > 4 else word


def is_english(text: str) -> bool:
    """Whether a text is written in English, by words that other languages do not have: prose has 20 of them in a hundred, tables a few."""
    found = words(text)
    return bool(found) and sum(word in _ENGLISH for word in found) / len(found) >= _ENGLISH_SHARE


def cjk_share(text: str) -> float:
    """The share of CJK characters among the letters of a text, 0..1; 0 for a text without letters."""
    letters = sum(char.isalpha() for char in text)
    return len(CJK.findall(text)) / letters if letters else 0.0
