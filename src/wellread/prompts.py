"""Every prompt text, in one place, as functions that return messages. Sources come before the question, so that their prompt prefix
is read once for many questions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wellread.types import Message

_ANSWER = "Answer the question from the text. Be brief."
STOP = ("\nQuestion:",)
"""Where a model that goes on to ask itself the next question is stopped."""

_REFINE = "Improve the answer with the text. If the text adds nothing, repeat the answer. Be brief."
_SUMMARIZE = {
    False: "Summarize the text in a few short sentences. Use only what the text says.",
    True: "用几句简短的话概括这段文字。只用文中的内容。",
}
_ABOUT = {False: "Say only what the text tells about: ", True: "只说文中与此有关的内容："}
_LIST = {
    False: "From the text, write down every item that is asked for, one on each line, in the words of the text. Write nothing else.",
    True: "从文字中写出所问的每一项，每行一项，用原文的词句。不要写别的。",
}
_REMEMBER = {
    False: "Summarize the conversation in a few short sentences. Keep every name, number and topic. Add nothing.",
    True: "用几句简短的话概括这段对话。保留所有人名、数字和话题。不要添加内容。",
}

_Shown = tuple[str, tuple[tuple[str, str], ...]]
"""An instruction, and examples of a question and the reply to it: without examples, models of 135M parameters answer instead."""

_STANDALONE: dict[bool, _Shown] = {
    False: (
        "Rewrite the last question so that it can be understood without the conversation. Do not answer it.",
        (
            (
                "Q: How large is Lake Geneva?\nA: It covers 580 square kilometres.\n\nLast question: How deep is it?",
                "How deep is Lake Geneva?",
            ),
            (
                "Q: Who wrote the maintenance plan?\nA: Maria Keller wrote it.\n\nLast question: When did she join the company?",
                "When did Maria Keller join the company?",
            ),
        ),
    ),
    True: (
        "改写最后一个问题，使它不看对话也能看懂。不要回答。",
        (
            ("Q: 日内瓦湖有多大？\nA: 面积约580平方公里。\n\nLast question: 它有多深？", "日内瓦湖有多深？"),
            ("Q: 维修计划是谁写的？\nA: 维修计划是王芳写的。\n\nLast question: 她什么时候加入公司的？", "王芳什么时候加入公司的？"),
        ),
    ),
}

_EXPANSIONS: dict[tuple[str, bool], _Shown] = {
    ("rewrite", False): (
        "Rewrite the question as a short search query. Do not answer it.",
        (
            (
                "My dishwasher shows E24 again, can someone tell me what that means and how I get rid of it?",
                "dishwasher error E24 meaning and repair",
            ),
            ("I was wondering who it was that designed the big bridge in Sydney?", "designer of the Sydney Harbour Bridge"),
        ),
    ),
    ("rewrite", True): (
        "把问题改写成简短的检索词。不要回答。",
        (
            ("我家洗碗机又显示E24了，有人知道这是什么意思、怎么解决吗？", "洗碗机 E24 故障 含义 解决方法"),
            ("我想知道悉尼那座大桥到底是谁设计的？", "悉尼海港大桥 设计者"),
        ),
    ),
    ("multi", False): (
        "Ask the question in three other ways, one on each line. Do not answer it.",
        (
            (
                "How do I keep basil alive in winter?",
                "1. What does a basil plant need during the cold months?\n2. How can basil survive the winter indoors?\n"
                "3. What is the best way to care for basil in winter?",
            ),
            (
                "Who designed the Sydney Harbour Bridge?",
                "1. Which engineer drew the plans of the Sydney Harbour Bridge?\n2. Who was the designer of the bridge across Sydney"
                " Harbour?\n3. Whose design was chosen for the Sydney Harbour Bridge?",
            ),
        ),
    ),
    ("multi", True): (
        "用另外三种说法提出这个问题，每行一种。不要回答。",
        (
            ("罗勒冬天怎么养才不会死？", "1. 寒冷的月份里罗勒需要什么？\n2. 怎样让罗勒在室内过冬？\n3. 冬季养护罗勒的最好方法是什么？"),
            (
                "悉尼海港大桥是谁设计的？",
                "1. 悉尼海港大桥的设计者是谁？\n2. 哪位工程师绘制了悉尼海港大桥的图纸？\n3. 悉尼的跨海大桥采用了谁的设计？",
            ),
        ),
    ),
    ("hyde", False): (
        "Write one short passage of a book that answers the question.",
        (
            (
                "How do bees find their way back to the hive?",
                "Honey bees find the way back to their hive by the position of the sun, by landmarks that they remember, and close to the"
                " hive by its smell.",
            ),
            (
                "Who designed the Sydney Harbour Bridge?",
                "The Sydney Harbour Bridge is a steel arch bridge in Australia, opened in 1932. It was designed by the engineers of Dorman"
                " Long under the direction of John Bradfield.",
            ),
        ),
    ),
    ("hyde", True): (
        "写一小段书中的文字来回答问题。",
        (
            ("蜜蜂怎样找到回蜂巢的路？", "蜜蜂依靠太阳的位置和记住的地标辨认方向，接近蜂巢时再依靠气味找到自己的巢。"),
            (
                "悉尼海港大桥是谁设计的？",
                "悉尼海港大桥是澳大利亚的一座钢拱桥，1932年通车，由多门朗公司的工程师在布拉德菲尔德的主持下设计。",
            ),
        ),
    ),
    ("decompose", False): (
        "Which simpler questions must be answered first? Write one on each line. Repeat a question that is simple. Do not answer.",
        (
            (
                "Which university did the inventor of the telephone attend?",
                "1. Who invented the telephone?\n2. Which university did the inventor of the telephone attend?",
            ),
            ("How is green tea steeped?", "1. How is green tea steeped?"),
            (
                "Is the tower of Pisa older than the bridge that Bradfield designed?",
                "1. When was the tower of Pisa built?\n2. Which bridge did Bradfield design?\n3. When was the bridge of Bradfield built?",
            ),
        ),
    ),
    ("decompose", True): (
        "要先回答哪些更简单的问题？每行写一个。简单的问题照抄。不要回答。",
        (
            ("电话的发明者上的是哪所大学？", "1. 电话是谁发明的？\n2. 电话的发明者上的是哪所大学？"),
            ("绿茶怎么泡？", "1. 绿茶怎么泡？"),
            (
                "比萨斜塔比布拉德菲尔德设计的桥更古老吗？",
                "1. 比萨斜塔是什么时候建的？\n2. 布拉德菲尔德设计了哪座桥？\n3. 布拉德菲尔德设计的桥是什么时候建的？",
            ),
        ),
    ),
    ("stepback", False): (
        "Ask the more general question that stands behind this one. Do not answer it.",
        (
            ("Which school did Estella Leopold attend in the autumn of 1954?", "What is the education of Estella Leopold?"),
            (
                "What happens to the pressure of a gas when its temperature doubles and its volume grows eightfold?",
                "How do pressure, temperature and volume of a gas depend on each other?",
            ),
        ),
    ),
    ("stepback", True): (
        "提出这个问题背后更一般的问题。不要回答。",
        (
            ("埃丝特拉·利奥波德1954年秋天在哪所学校上学？", "埃丝特拉·利奥波德的教育经历是什么？"),
            ("气体温度加倍、体积变为八倍时，压强会怎样？", "气体的压强、温度和体积之间有什么关系？"),
        ),
    ),
}


def answer_prompt(question: str, sources: Sequence[str]) -> list[Message]:
    """Ask for an answer from some passages. Short and plain: a model of 135M parameters follows this and not more."""
    return [Message("system", _ANSWER), Message("user", "\n".join(sources) + f"\n\nQuestion: {question}")]


def refine_prompt(question: str, answer: str, source: str) -> list[Message]:
    """Ask for an answer to be revised by one more source; it comes back unchanged where the source adds nothing."""
    return [Message("system", _REFINE), Message("user", f"{source}\n\nQuestion: {question}\nAnswer: {answer}")]


def summary_prompt(sources: Sequence[str], about: str, *, chinese: bool) -> list[Message]:
    """Ask for a summary of some passages, or of what they say `about` something if that is not empty."""
    instruction = _SUMMARIZE[chinese] + (f" {_ABOUT[chinese]}{about}" if about else "")
    return [Message("system", instruction), Message("user", "\n".join(sources))]


def items_prompt(question: str, sources: Sequence[str], *, chinese: bool) -> list[Message]:
    """Ask for what of a list stands in some passages, one item a line."""
    return [Message("system", _LIST[chinese]), Message("user", "\n".join(sources) + f"\n\nQuestion: {question}")]


def memory_prompt(turns: Sequence[tuple[str, str]], summary: str, *, chinese: bool) -> list[Message]:
    """Ask for (question, answer) turns to be summarised, together with the summary of what was before them."""
    before = f"{summary}\n\n" if summary else ""
    return [Message("system", _REMEMBER[chinese]), Message("user", before + _conversation(turns))]


def standalone_prompt(question: str, history: Sequence[tuple[str, str]], *, chinese: bool, summary: str = "") -> list[Message]:
    """Ask for a follow-up question to be made complete, given (question, answer) turns and a summary of what was before them."""
    before = f"{summary}\n\n" if summary else ""
    return _prompt(_STANDALONE[chinese], f"{before}{_conversation(history)}\n\nLast question: {question}")


def _conversation(turns: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"Q: {asked}\nA: {answered}" for asked, answered in turns)


def expansion_prompt(question: str, method: str, *, chinese: bool) -> list[Message]:
    """Ask for other texts to search with, in the language of the question; `method` is one of those of `retrieve.expand` but "none".

    Rewriting: Ma et al. 2023, arXiv:2305.14283. Hypothetical passages: Gao et al. 2022, arXiv:2212.10496. Parts: Press et al. 2022,
    arXiv:2210.03350. Step back: Zheng et al. 2023, arXiv:2310.06117, whose two examples are these.
    """
    return _prompt(_EXPANSIONS[method, chinese], question)


def _prompt(shown: _Shown, asked: str) -> list[Message]:
    instruction, examples = shown
    turns = [turn for example, reply in examples for turn in (Message("user", example), Message("assistant", reply))]
    return [Message("system", instruction), *turns, Message("user", asked)]


def refusal(question_is_chinese: bool) -> str:
    """What is said instead of an answer that nothing supports."""
    return "这些文档没有回答这个问题。" if question_is_chinese else "The documents do not answer this."


TOOL_CALL = ("<tool_call>", "</tool_call>")
"""What a call of a function stands between."""

_CALLING = (
    "For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n"
    '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


def functions_prompt(functions: Sequence[Mapping[str, Any]], *, must: bool) -> str:
    """What a system message says of the functions that a model may call, or must.

    In the words of the Hermes models, which others were trained on too: https://github.com/NousResearch/Hermes-Function-Calling. A call
    that must be is made by a schema, so there the words only say what is wanted.
    """
    rows = "\n".join(json.dumps(function, ensure_ascii=False) for function in functions)
    how = "Call a function now. Write only JSON." if must else _CALLING
    may = "You must call one of these functions" if must else "You may call one or more functions"
    return f"# Tools\n\n{may} to assist with the user query.\n<tools>\n{rows}\n</tools>\n\n{how}"
