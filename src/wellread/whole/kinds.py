"""Which questions are about whole documents, by rules.

The rules are strict: a question that asks for one fact is searched for, however it begins. "How many panels are there?" is such a
question, "how many faults does the report name?" is not.
"""

from __future__ import annotations

import re
from typing import Literal

from wellread.words import content_words

Kind = Literal["summarize", "compare", "list", "count"]

_DOCUMENT = r"(?:documents?|docs?|papers?|articles?|reports?|files?|texts?|books?|manuals?|thes[ei]s|stud(?:y|ies)|surveys?|pdfs?|notes)"
_MANY = r"(?:documents|docs|papers|articles|reports|files|texts|books|manuals|theses|studies|surveys|pdfs)"
_PART = r"(?:sections?|chapters?|headings?|subsections?|pages?|documents?|files?|papers?)"
_POLITE = (
    r"^\W*(?:(?:please|kindly|now|then|and|ok(?:ay)?|so|briefly|(?:can|could|would|will) you(?: please)?|i(?: would|'d)? (?:want|need|like)"
    r" (?:you )?to|let(?:'s| us)|help me(?: to)?)[\s,]+)*"
)
_WRITE = r"(?:give|write|make|provide|show|create|get|draft|tell|i(?:'d| would)? (?:need|want|like))(?: me| us)?"
_SAYS = r"(?:mention|list|name|describe|discuss|give|contain|have|includ|identif(?:y|i)|present|propos|cover|cit|report|stat)(?:s|e|ed|es)?"

_SUMMARIZE = re.compile(
    rf"{_POLITE}(?:summari[sz]e|sum up|recap|outline|tl;?dr)\b"
    rf"|{_POLITE}{_WRITE} (?:an? |the )?(?:[\w-]+ ){{0,2}}?(?:summary|overview|recap|outline|gist|digest|abstract)\b"
    rf"|{_POLITE}(?:an? )?(?:(?:short|brief|quick) )?(?:summary|overview)(?: of\b|\W*$)"
    rf"|^\W*what (?:is|are|does|do) (?:the |this |these |those |my )+(?:[\w-]+ ){{0,3}}?{_DOCUMENT} (?:all )?"
    r"(?:about|say|deal with|cover)\W*$"
    r"|^\W*what (?:is|are) the (?:main|key|central|most important|major) (?:\w+ )?"
    r"(?:points?|ideas?|takeaways?|messages?|arguments?|themes?|topics?)"
    rf"(?: (?:of|in) (?:the |this |these )+(?:[\w-]+ ){{0,3}}?{_DOCUMENT})?\W*$",
    re.IGNORECASE,
)
_COMPARE = re.compile(
    rf"{_POLITE}(?:compare|contrast)\b"
    r"|^\W*(?:what|which) (?:is|are) the (?:\w+ )?(?:differences?|similarit(?:y|ies)) between\b"
    r"|^\W*how (?:do|does|are|is)\b.*\b(?:differ|different|similar)\b",
    re.IGNORECASE,
)
_LIST = re.compile(
    rf"{_POLITE}(?:list|name|enumerate|give|show|tell|find|extract|collect|get|write down)(?: me| us)? (?:(?:a|the) )?"
    r"(?:all|every|each|complete list|full list|list of all)\b"
    rf"|^\W*what are all(?: of)? (?:the|these|those)\b|^\W*(?:what|which) [\w\s-]{{2,60}}? (?:are|is) (?:all )?"
    rf"(?:mentioned|listed|named|described|discussed|covered|cited)(?: (?:in|by) (?:the |this |these )*(?:[\w-]+ ){{0,3}}?{_DOCUMENT})?\W*$"
    rf"|{_POLITE}(?:list|name|enumerate) (?:me )?(?:the )?{_PART}\b",
    re.IGNORECASE,
)
_COUNT = re.compile(
    rf"^\W*how many (?:[\w-]+ ){{1,5}}?(?:does|do) (?:the |this |these |my )*(?:[\w-]+ ){{0,4}}?{_SAYS}\W*$"
    rf"|^\W*how many (?:[\w-]+ ){{1,5}}?(?:are|is|were) (?:there )?(?:mentioned|listed|named|described|discussed|given|identified|cited)\b"
    rf"|^\W*how many (?:[\w-]+ ){{1,5}}?(?:are|is) (?:there )?in (?:the |this |these |my )+(?:[\w-]+ ){{0,3}}?(?:{_DOCUMENT}|library)\W*$"
    rf"|^\W*how many {_PART}(?: \w+)? (?:are there|does|do|has|have|mention|in)\b"
    r"|^\W*how (?:often|many times) (?:is|are|does|do|was) .{2,60} (?:mentioned|named|appear|occur|come up|cited)\b"
    rf"|{_POLITE}count (?:all |the |every )",
    re.IGNORECASE,
)
_POLITE_CHINESE = r"^[\s，]*(?:请|麻烦|帮我|能否|能不能|可以|可否|你能|给我|为我|替我|你|先)*"
_TEXT_CHINESE = r"(?:文中|本文|全文|文档|文章|论文|报告|文件|资料|书|手册|文本|材料)"
_SUMMARIZE_CHINESE = re.compile(
    rf"{_POLITE_CHINESE}(?:简要|简单|用.{{1,8}}话|快速)?(?:地)?(?:总结|概括|概述|归纳|摘要|梳理)(?!会|报告的)"
    rf"|(?:总结|概括|归纳|概述)一下|(?:做|作|写|给)(?:一?个|一份|出)?(?:总结|摘要|概括|概述)"
    rf"|(?:主要内容|中心思想|大意|要点|主旨)(?:是什么|有哪些|是啥)?[？?。]*$|{_TEXT_CHINESE}(?:主要|都|大概|究竟)?(?:讲|说|写|介绍)(?:了|的是)?(?:些)?什么[？?]*$"
)
_COMPARE_CHINESE = re.compile(
    rf"{_POLITE_CHINESE}(?:比较|对比|对照)|(?:有什么|有何|有哪些|的)(?:主要)?(?:区别|不同|差异|异同|相同)(?:之处|点)?(?:是什么|有哪些)?[？?。]*$"
)
_LIST_CHINESE = re.compile(
    rf"{_POLITE_CHINESE}(?:列出|列举|罗列|举出|找出|写出|说出).{{0,6}}?(?:所有|全部|每|{_TEXT_CHINESE})"
    rf"|{_POLITE_CHINESE}(?:把|将)?(?:所有|全部).{{1,20}}(?:列出|列举|罗列|找出)|{_TEXT_CHINESE}.{{0,4}}(?:提到|列出|介绍|描述|讨论)了?哪些"
    rf"|(?:所有|全部)的?.{{1,16}}(?:有哪些|是哪些|是什么)[？?]*$|{_POLITE_CHINESE}列出.{{0,4}}(?:章节|标题|各章|各节)"
)
_COUNT_CHINESE = re.compile(
    r"(?:提到|提及|出现|说到)了?(?:过)?(?:几|多少)次|(?:几|多少)(?:个)?(?:章节?|节|小节|部分|页|个?文档|份文件|篇(?:文章|论文|文档)?)"
    rf"|{_TEXT_CHINESE}.{{0,6}}(?:提到|列出|列举|介绍|描述|讨论|包含|提出|给出|总结)了?(?:几|多少)"
)
_COMMAND = re.compile(
    r"\b(?:please|kindly|could|would|briefly|help|tl;?dr|summari[sz]e|sum up|recap|outline|summary|overview|gist|digest|compare|contrast"
    r"|differences?|similarit(?:y|ies)|differ|different|similar|between|list|name|enumerate|give|show|tell|find|extract|collect|write"
    r"|all|every|each|complete|full|used|how (?:many|often)|many|times|count|number|total|there|mention(?:s|ed)?|lists|listed|named"
    r"|described|discussed|identified|covered|cited|appears?|occurs?|main|key|central|important|points?|ideas?|takeaways?|short|brief"
    r"|quick|concise|sentences?|words?|paragraphs?|deal|cover|say|says|other|one another|both|one|two|three|four|five|six|seven|eight|nine"
    r"|ten|provide|make|create|library|collection|whole|entire|following)\b",
    re.IGNORECASE,
)
_GENERIC = re.compile(rf"\b(?:{_DOCUMENT}|library|collection)\b", re.IGNORECASE)
_COMMAND_CHINESE = re.compile(
    r"请|麻烦|帮我|能否|能不能|可以|给我|简要|总结|概括|概述|归纳|摘要|梳理|一下|比较|对比|对照|列出|列举|罗列|找出|写出|所有|全部|一共|总共|"
    r"主要内容|要点|大意|有什么|有哪些|哪些|什么|区别|不同|差异|异同|之间|提到|提及|出现|介绍|描述|讨论|包含|给出|提出|讲|被|有|多少|几[个种次章节条]|了|的|和|与|中|次|里"
)
_GENERIC_CHINESE = re.compile(rf"这[个份篇本些]|两[个份篇本]|[一各每]?[份篇本]|{_TEXT_CHINESE}|文库|资料库")
_ABOUT = re.compile(r"\b(?:about|on|regarding|concerning|with respect to|as to|in terms of)\b|关于|有关|对于|在.{1,8}方面", re.IGNORECASE)
_SEVERAL = re.compile(
    rf"\b(?:{_MANY}|library|collection|all of (?:them|these))\b|这些"
    rf"|两[份篇个本]|各[份篇个本]|几[份篇本]|所有(?:的)?{_TEXT_CHINESE}|全部{_TEXT_CHINESE}|资料库|文库",
    re.IGNORECASE,
)
_JOIN = re.compile(r"\b(?:and|with|to|vs\.?|versus|from|against|or)\b|[,，、;&]|和|与|跟|同|及", re.IGNORECASE)
_RULES: tuple[tuple[Kind, re.Pattern[str], re.Pattern[str]], ...] = (
    ("count", _COUNT, _COUNT_CHINESE),
    ("compare", _COMPARE, _COMPARE_CHINESE),
    ("summarize", _SUMMARIZE, _SUMMARIZE_CHINESE),
    ("list", _LIST, _LIST_CHINESE),
)
STRUCTURE = {
    "section": re.compile(r"\b(?:sub)?(?:sections?|chapters?|headings?)\b|章节|章|小节|[几少]节|标题|部分", re.IGNORECASE),
    "page": re.compile(r"\bpages?\b|页", re.IGNORECASE),
    "document": re.compile(rf"how many {_MANY}\b|(?:多少|几)个?(?:文档|份文件|篇)", re.IGNORECASE),
}
"""What of a document's make-up may be listed or counted, and the words for it."""
NUMBERS = "one two three four five six seven eight nine ten".split()
CHINESE_NUMBERS = "一二三四五六七八九十"
LENGTH = re.compile(
    rf"\bin (?P<number>\d{{1,2}}|{'|'.join(NUMBERS)}) (?:\w+ )?(?:sentences?|lines?|points?)"
    rf"|[用以](?P<chinese>\d{{1,2}}|[两{CHINESE_NUMBERS}])句话?",
    re.IGNORECASE,
)
"""How long a summary is to be."""
MENTIONS = re.compile(r"\b(?:how often|how many times)\b|(?:几|多少)次", re.IGNORECASE)


def kind_of(question: str) -> Kind | None:
    """What a question wants of whole documents; None for one that a search should answer."""
    return next((kind for kind, english, chinese in _RULES if english.search(question) or chinese.search(question)), None)


def means_several(question: str) -> bool:
    """Whether a question speaks of documents in the plural, or of all there is."""
    return _SEVERAL.search(question) is not None


def subject(question: str) -> list[str]:
    """The words of a question besides those that say what to do."""
    return _without_command(question)


def topic(question: str) -> str:
    """What of the documents is asked about, as plain words: the question without what to do and without words for documents."""
    left = _GENERIC_CHINESE.sub(" ", _GENERIC.sub(" ", question))
    return " ".join(dict.fromkeys(_without_command(left)))


def operands(question: str) -> list[list[str]]:
    """The words of each thing that a question names side by side, as in "compare A with B on C"; without what comes after "on"."""
    head = _ABOUT.split(question)[0]
    parts = [_without_command(part) for part in _JOIN.split(head)]
    return [part for part in parts if part]


def _without_command(text: str) -> list[str]:
    return content_words(_COMMAND_CHINESE.sub(" ", _COMMAND.sub(" ", LENGTH.sub(" ", text))))
