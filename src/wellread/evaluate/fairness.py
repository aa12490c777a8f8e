"""Whether an answer changes when only the person asked about does: gendered words turned around, names of one origin put for another's.

Source: Ma et al. 2021, Dynaboard, and HELM (Liang et al. 2022, section 4.5), counterfactual fairness. The word lists are our own and short;
what is not listed stays as it is. English and Chinese. Use it on questions that are not about real people: there, a changed name
changes the right answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from wellread.evaluate.bootstrap import Difference, difference

_PAIRS = (
    "he she himself herself man woman men women boy girl boys girls father mother fathers mothers son daughter sons daughters"
    " brother sister brothers sisters husband wife husbands wives uncle aunt uncles aunts nephew niece nephews nieces"
    " grandfather grandmother grandson granddaughter dad mom king queen prince princess gentleman lady gentlemen ladies actor actress"
    " waiter waitress male female males females sir madam mr ms"
)
# Pairs, then words that only look gendered and stay.
_CHINESE_PAIRS = (
    "他她 男女 先生女士 父亲母亲 爸爸妈妈 儿子女儿 丈夫妻子 哥哥姐姐 弟弟妹妹 爷爷奶奶 叔叔阿姨 祖父祖母 国王女王 王子公主 男士女士"
)
_CHINESE_KEPT = "其他 吉他 他人 他国 他乡 他日 他杀 男女 子女 儿女 妇女 父母 仙女 处女"
# What may follow "her" where it stands for "him", and "his" where it stands for "hers".
_NO_NOUN = frozenset(
    "a an the and or but to in on at for with from by of as that this these those when while if because who which what how why where"
    " is was are were be been do does did has have had will would can could may might should not if then than so about into after before"
    " again too also yesterday today tomorrow".split()
)
_WORD = re.compile(r"(?<![A-Za-z])[A-Za-z]+(?![A-Za-z])")
_NEXT = re.compile(r"\s+([A-Za-z]+)")

# Common first names by where they are common and for whom; they hint at a group, no more. Names at the same place stand for each other.
NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "english": {"male": ("James", "William", "Henry", "Peter"), "female": ("Emily", "Sarah", "Alice", "Helen")},
    "spanish": {"male": ("Carlos", "Javier", "Pablo", "Alejandro"), "female": ("Marta", "Lucía", "Pilar", "Elena")},
    "arabic": {"male": ("Ahmed", "Omar", "Yusuf", "Khalid"), "female": ("Fatima", "Aisha", "Layla", "Noor")},
    "indian": {"male": ("Rahul", "Arjun", "Sanjay", "Vikram"), "female": ("Priya", "Ananya", "Deepa", "Meera")},
    "chinese": {"male": ("Weiming", "Jianjun", "Zhihao", "Qiang"), "female": ("Xiaomei", "Xiuying", "Xiaoyan", "Lihua")},
    "yoruba": {"male": ("Adebayo", "Tunde", "Femi", "Segun"), "female": ("Yetunde", "Folake", "Bukola", "Titilayo")},
}


def other_gender(text: str) -> str:
    """The text with gendered words turned around: she for he, 她 for 他, mother for father.

    "her" becomes "his" before a noun and "him" elsewhere, told by the next word; that is a rule of thumb.
    """
    by, chinese = _english(), _chinese()

    def turned(match: re.Match[str]) -> str:
        word = match.group()
        new = by.get(word.lower()) or _pronoun(word.lower(), text[match.end() :])
        return _like(word, new) if new else word

    pattern = "|".join(sorted(map(re.escape, chinese), key=len, reverse=True))
    return re.sub(pattern, lambda match: chinese[match.group()], _WORD.sub(turned, text))


def other_names(text: str, group: str) -> str:
    """The text with every listed first name replaced by that of `group` (a key of NAMES) at the same place of the same gender."""
    by = {
        name: NAMES[group][gender][place]
        for genders in NAMES.values()
        for gender, names in genders.items()
        for place, name in enumerate(names)
    }
    return re.sub(r"[^\W\d_]+", lambda match: by.get(match.group(), match.group()), text)


def counterfactuals(text: str) -> dict[str, str]:
    """The text in all its other forms, by name ("gender", "english", "arabic", ...); those that are no different are left out."""
    forms = {"gender": other_gender(text)} | {group: other_names(text, group) for group in NAMES}
    return {name: form for name, form in forms.items() if form != text}


def demographic_gap(original: Sequence[float], changed: Sequence[float]) -> Difference:
    """By how much the scores of the changed questions are above those of the original ones, and whether chance explains it.

    Give only questions that did change. HELM's figure is the mean of the lower of both: `robustness.worst_case`.
    """
    return difference(np.asarray(changed, np.float64), np.asarray(original, np.float64))


def _english() -> dict[str, str]:
    words = _PAIRS.split()
    pairs = list(zip(words[::2], words[1::2], strict=True))
    return dict(pairs) | {other: one for one, other in pairs} | {"him": "her", "hers": "his", "mrs": "mr", "mum": "dad"}


def _chinese() -> dict[str, str]:
    halves = [(pair[: len(pair) // 2], pair[len(pair) // 2 :]) for pair in _CHINESE_PAIRS.split()]
    # The first pair with a word wins: 女士 becomes 先生, and both 先生 and 男士 become 女士.
    found = {other: one for one, other in reversed(halves)} | dict(reversed(halves))
    return found | {word: word for word in _CHINESE_KEPT.split()}


def _pronoun(word: str, after: str) -> str | None:
    if word not in ("her", "his"):
        return None
    found = _NEXT.match(after)
    noun = found is not None and found[1].lower() not in _NO_NOUN
    return ("his" if noun else "him") if word == "her" else ("her" if noun else "hers")


def _like(model: str, word: str) -> str:
    """`word` with the capitals of `model`."""
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
