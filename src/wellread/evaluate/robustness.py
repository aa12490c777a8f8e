"""Whether an answer holds when the same question is written otherwise: small changes of form that leave its meaning alone.

Source: HELM (Liang et al. 2022, Holistic Evaluation of Language Models, section 4.4), invariances: mild changes that users make, and the
worst score over them. Every change is drawn from the seed and the question alone. None touches a number's value or a word that begins
with a capital, which is most likely a name, other than by its case. Changes for which a question offers no hold are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random

import numpy as np

from wellread.evaluate.bootstrap import Difference, difference
from wellread.words import CJK

_TYPO_SHARE = 0.15  # of the words that may have one
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_PLAIN_WORD = re.compile(r"(?<![\w'’@./-])[a-z]{4,}(?![\w'’@/-]|\.\w)")
# A slip in one of these could make another number, or another question.
_WEIGHTY = frozenset(
    "four five seven eight nine eleven twelve twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion"
    " three first second third fourth fifth sixth half never without none least most more less before after until".split()
)
_SHORT = {
    "what is": "what's", "who is": "who's", "where is": "where's", "that is": "that's", "it is": "it's",
    "i am": "i'm", "we are": "we're", "you are": "you're", "they are": "they're",
    "is not": "isn't", "are not": "aren't", "was not": "wasn't", "were not": "weren't", "do not": "don't", "does not": "doesn't",
    "did not": "didn't", "has not": "hasn't", "have not": "haven't", "cannot": "can't", "could not": "couldn't",
    "should not": "shouldn't", "would not": "wouldn't", "will not": "won't",
}  # fmt: skip
_LONG = {short: long for long, short in _SHORT.items() if "n't" in short or short in ("i'm", "we're", "you're", "they're")}
_END_MARKS = re.compile(r"[.,;:!?\"'”)\]]+(?=\s|$)|(?<!\S)[\"'“(\[]+")
_CJK_MARK = "[，。；：！？、「」『』《》〈〉【】（）…]+"
_CJK_MARKS = re.compile(rf"{_CJK_MARK}(?!\d)|(?<!\d){_CJK_MARK}")
_SEAM = re.compile(rf"(?<={CJK.pattern})(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])(?={CJK.pattern})")
_TO_FULL = {code: code + 0xFEE0 for code in range(0x21, 0x7F) if chr(code).isalnum()}
_TO_HALF = str.maketrans("，。；：！？、（）", ",.;:!?,()")
_CURLY = (re.compile("“([^“”]*)”"), re.compile("(?<![A-Za-z])‘([^‘’]*)’(?![A-Za-z])"))


def lower_case(text: str, rng: Random) -> str:
    """All letters small."""
    return text.lower()


def typos(text: str, rng: Random) -> str:
    """At least one slip of the fingers in a plain English word: two letters swapped, one left out, doubled, or hit beside its key."""
    words = [word for word in _PLAIN_WORD.finditer(text) if word.group() not in _WEIGHTY]
    chosen = [word for word in words if rng.random() < _TYPO_SHARE] or words[:1]
    for word in reversed(chosen):
        text = text[: word.start()] + _mistyped(word.group(), rng) + text[word.end() :]
    return text


def extra_spaces(text: str, rng: Random) -> str:
    """Every space becomes one, two or three."""
    return re.sub(" ", lambda _: " " * rng.randint(1, 3), text)


def no_punctuation(text: str, rng: Random) -> str:
    """Marks at the edges of words are left out; those inside, and signs such as %, stay. Chinese marks become a space."""
    return _CJK_MARKS.sub(" ", _END_MARKS.sub("", text)).strip()


def contracted(text: str, rng: Random) -> str:
    """Where another word follows: What is it becomes What's it."""
    return _replaced(text, _SHORT, r"(?=\s+\w)")


def expanded(text: str, rng: Random) -> str:
    """Don't becomes Do not; it's stays, since it may be it has."""
    return _replaced(text, _LONG)


def full_width(text: str, rng: Random) -> str:
    """In a Chinese question, Latin letters and digits as wide as Chinese characters: ２０１９年."""
    return text.translate(_TO_FULL) if CJK.search(text) else text


def half_width(text: str, rng: Random) -> str:
    """Chinese marks as typed on an English keyboard: ？ becomes ?."""
    return text.translate(_TO_HALF)


def corner_quotes(text: str, rng: Random) -> str:
    """In a Chinese question, quotation marks as in Taiwan and Hong Kong: “” become 「」, ‘’ become 『』."""
    if not CJK.search(text):
        return text
    return _CURLY[1].sub(r"『\1』", _CURLY[0].sub(r"「\1」", text))


def seam_spaces(text: str, rng: Random) -> str:
    """A space between Chinese characters and Latin letters or digits."""
    return _SEAM.sub(" ", text)


PERTURBATIONS: tuple[Callable[[str, Random], str], ...] = (
    lower_case, typos, extra_spaces, no_punctuation, contracted, expanded, full_width, half_width, corner_quotes, seam_spaces,
)  # fmt: skip


def perturbed(question: str, seed: int = 0) -> dict[str, str]:
    """The question in every other form that it can take, by the name of the change."""
    forms = {change.__name__: change(question, Random(f"{seed} {change.__name__} {question}")) for change in PERTURBATIONS}
    return {name: form for name, form in forms.items() if form != question}


def worst_case(original: Sequence[float], variants: Sequence[Mapping[str, float]]) -> np.ndarray:
    """For each question the lowest of its scores, in its own form and all others: float [n]. Its mean is HELM's robustness."""
    return np.array([min([score, *others.values()]) for score, others in zip(original, variants, strict=True)])


def effects(original: Sequence[float], variants: Sequence[Mapping[str, float]]) -> dict[str, Difference]:
    """For each change, by how much it raises (or, below nought, lowers) the score of the questions that it changed."""
    found = {}
    for name in sorted({name for others in variants for name in others}):
        pairs = [(others[name], score) for score, others in zip(original, variants, strict=True) if name in others]
        changed, plain = np.array(pairs, np.float64).T
        found[name] = difference(changed, plain)
    return found


def _mistyped(word: str, rng: Random) -> str:
    at = rng.randrange(1, len(word) - 1)  # the first letter stays: people rarely miss it, and readers need it
    slip = rng.randrange(4)
    if slip == 0 and word[at] != word[at + 1]:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if slip == 1:
        return word[:at] + word[at + 1 :]
    if slip == 2:
        return word[:at] + word[at] + word[at:]
    row = next(keys for keys in _KEYS if word[at] in keys)
    place = row.index(word[at])
    return word[:at] + rng.choice(row[max(0, place - 1) : place] + row[place + 1 : place + 2]) + word[at + 1 :]


def _replaced(text: str, by: Mapping[str, str], before: str = "") -> str:
    pattern = re.compile(rf"\b(?:{'|'.join(by)})\b{before}".replace("'", "['’]"), re.IGNORECASE)

    def other(match: re.Match[str]) -> str:
        found = by[match.group().lower().replace("’", "'")]
        return found[0].upper() + found[1:] if match.group()[0].isupper() else found

    return pattern.sub(other, text)
