"""Text as words: the one analysis that keyword search, fusion and the checker share. Works on a normalised copy, never on offsets.

CJK text has no spaces, so a run of it becomes overlapping pairs of characters; measured, such bigrams find as well as a dictionary
segmenter does.
"""

from __future__ import annotations

import re
import unicodedata

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_TOKEN = re.compile(rf"(?P<cjk>[{_CJK}]+)|(?P<number>\d+(?:[.,]\d+)*)|(?P<word>[^\W\d_{_CJK}]+(?:['’][^\W\d_]+)*\d*)")
_CJK_CHAR = re.compile(f"[{_CJK}]")

# Words that tell nothing about what a text is about, in the two languages we serve.
STOP_WORDS = frozenset(
    "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it its me my no not of"
    " on or our she should so than that the their them then there these they this to was we were what when where which who whom whose why"
    " will with would you your about also any only such between during over under according"
    " 的 了 是 在 和 与 有 什么 哪些 哪个 如何 怎么 为什么 怎样 多少 几个 谁 吗 呢 请问 及 其 这 那 我 你 它 他 她".split()
)


def words(text: str) -> list[str]:
    """The words of a text, NFKC-normalised and case-folded; CJK runs as bigrams, a lone CJK character as itself."""
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


def content_words(text: str) -> list[str]:
    """`words` without stop words, each cut to its stem."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]


def stem(word: str) -> str:
    """A light English stem, for comparing two texts: plural, -ing, -ed and possessive endings go. Other scripts pass through."""
    if not word.isascii() or len(word) < 4 or not word.isalpha():
        return word.removesuffix("'s")
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


def cjk_share(text: str) -> float:
    """The share of CJK characters among the letters of a text, 0..1; 0 for a text without letters."""
    letters = sum(char.isalpha() for char in text)
    return len(_CJK_CHAR.findall(text)) / letters if letters else 0.0
