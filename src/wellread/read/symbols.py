"""How the symbols of programming languages look: one table of line patterns, with which no parser is needed.

A pattern is matched at the first word of a line. Its group `name` is the symbol, `kind` the word that the language has for it. `owner`
names what the symbol belongs to where the line says so itself. Patterns in `inner` hold only inside another symbol, those in `bodied`
only where a body in braces follows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """What begins a symbol in a language, and what begins a line that is only a comment or an annotation."""

    patterns: tuple[re.Pattern[str], ...]
    bodied: tuple[re.Pattern[str], ...] = ()
    inner: tuple[re.Pattern[str], ...] = ()
    comments: tuple[str, ...] = ("//", "/*", "*", "@")
    joined: str = "."


def _patterns(*sources: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(source) for source in sources)


_WORDS = r"(?!(?:if|for|while|switch|catch|return|else|do|new|throw|await|typeof|case|using|lock|function|sizeof|foreach|elseif)\b)"
_CLASS_END = r"(?=\s*(?:[({<:\[;]|$|extends\b|implements\b|permits\b|where\b|with\b|final\b|private\b|internal\b))"
_C_FUNCTION = _WORDS + r"(?:[A-Za-z_][\w:<>,]*[\s*&]+){0,8}(?P<name>~?[A-Za-z_][\w:~]*)\s*\((?![*^])"
_METHOD = _WORDS + r"(?:[\w<>,.?\[\]&*:]+[\s*&]+){0,8}?(?P<name>~?[A-Za-z_$#][\w$]*)\s*(?:<[^<>()]{0,80}>\s*)?\("

_PYTHON = Language(
    _patterns(r"(?P<kind>class)\s+(?P<name>\w+)" + _CLASS_END, r"(?:async\s+)?(?P<kind>def)\s+(?P<name>\w+)\s*[\[(]"),
    comments=("#", "@"),
)
_JAVASCRIPT = Language(
    _patterns(
        r"(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:const\s+)?(?P<kind>class|interface|enum|namespace)\s+(?P<name>[\w$]+)"
        + _CLASS_END,
        r"(?:export\s+)?(?:declare\s+)?(?P<kind>type)\s+(?P<name>[\w$]+)\s*(?:<[^=]{0,200}>\s*)?=",
        r"(?:export\s+)?(?:default\s+)?(?:async\s+)?(?P<kind>function)\s*\*?\s*(?P<name>[\w$]+)\s*[(<]",
        r"(?:export\s+)?(?:const|let|var)\s+(?P<name>[\w$]+)\s*(?::[^=]{1,200})?=\s*(?:async\s*)?(?:function\b|\([^()]{0,200}\)\s*(?::[^=]{1,100})?=>|[\w$]+\s*=>)",
        r"(?:module\.)?exports\.(?P<name>[\w$]+)\s*=\s*(?:async\s*)?(?:function\b|\([^()]{0,200}\)\s*=>)",
    ),
    inner=_patterns(_METHOD),
)
_JAVA = Language(
    _patterns(
        r"(?:(?:public|protected|private|internal|abstract|static|final|sealed|partial|readonly|strictfp|data|open|inner|unsafe|file|ref|new|non-sealed)\s+)*"
        r"(?P<kind>class|interface|enum|record|struct|namespace|@interface)\s+(?:class\s+|struct\s+)?(?P<name>[\w.]+)" + _CLASS_END
    ),
    inner=_patterns(_METHOD),
    comments=("//", "/*", "*", "@", "["),
)
_KOTLIN_WORDS = (
    r"(?:(?:public|protected|private|internal|abstract|final|sealed|data|open|inner|override|inline|suspend|operator|infix|tailrec|value"
    r"|annotation|companion|implicit|lazy|case|external|actual|expect)\s+)*"
)
_KOTLIN = Language(
    _patterns(
        _KOTLIN_WORDS + r"(?P<kind>enum\s+class|fun\s+interface|class|interface|object|trait|enum|given|package\s+object)\s+(?P<name>\w+)",
        _KOTLIN_WORDS + r"(?P<kind>fun)\s+(?:<[^<>]{0,200}>\s*)?(?P<name>[\w.`]+)\s*\(",
        _KOTLIN_WORDS + r"(?P<kind>def)\s+(?P<name>[^\s(\[:={]+)",
    )
)
_C = Language(
    _patterns(r"#\s*(?P<kind>define)\s+(?P<name>\w+)\("),
    bodied=_patterns(
        r"(?:typedef\s+)?(?:template\s*<[^<>]{0,200}>\s*)?(?P<kind>struct|union|enum|enum\s+class|class|namespace)\s+(?:\w+\s+(?=\w))?(?P<name>[\w:]+)(?=\s*(?:[{:]|final\b|$))",
        _C_FUNCTION,
    ),
    inner=_patterns(_METHOD),
    joined="::",
)
_GO = Language(
    _patterns(
        r"(?P<kind>func)\s+\(\s*\w*\s*\*?(?P<owner>\w+)(?:\[[^\]]{0,100}\])?\s*\)\s*(?P<name>\w+)\s*\(",
        r"(?P<kind>func)\s+(?P<name>\w+)\s*[(\[]",
        r"(?P<kind>type)\s+(?P<name>\w+)(?:\[[^\]]{0,100}\])?\s+(?:struct|interface|func|map|\[)",
    )
)
_RUST = Language(
    _patterns(
        r"(?:pub(?:\([^)]{0,40}\))?\s+)?(?:(?:default|const|async|unsafe|extern\s+\"[^\"]{0,20}\")\s+)*(?P<kind>fn)\s+(?P<name>\w+)",
        r"(?:pub(?:\([^)]{0,40}\))?\s+)?(?:unsafe\s+)?(?P<kind>struct|enum|trait|union|mod)\s+(?P<name>\w+)\b(?!\s*;)",
        r"(?:unsafe\s+)?(?P<kind>impl)\b(?:\s*<[^{]{0,200}?>(?=\s))?\s*(?P<name>[\w:&'<>, ]{1,200}?)\s*(?=\{|where\b|$)",
        r"(?P<kind>macro_rules!)\s*(?P<name>\w+)",
    ),
    comments=("//", "/*", "*", "#["),
    joined="::",
)
_RUBY = Language(
    _patterns(r"(?P<kind>class|module)\s+(?P<name>[A-Z][\w:]*)", r"(?P<kind>def)\s+(?P<name>(?:self\.)?[^\s(;=]+)"), comments=("#",)
)
_PHP = Language(
    _patterns(
        r"(?:(?:abstract|final|readonly)\s+)*(?P<kind>class|interface|trait|enum)\s+(?P<name>\w+)" + _CLASS_END,
        r"(?:(?:public|protected|private|static|abstract|final)\s+)*(?P<kind>function)\s+&?\s*(?P<name>\w+)\s*\(",
    ),
    comments=("//", "/*", "*", "#"),
    joined="::",
)
_SWIFT = Language(
    _patterns(
        r"(?:(?:public|private|fileprivate|internal|open|final|indirect|static|class|mutating|override|convenience|required|nonisolated|@\w+)\s+)*"
        r"(?P<kind>class|struct|enum|protocol|extension|actor|func)\s+(?P<name>[\w.]+)",
        r"(?:(?:public|private|internal|override|convenience|required)\s+)*(?P<name>init)\s*[?!]?[(<]",
    )
)
_LUA = Language(
    _patterns(r"(?:local\s+)?(?P<kind>function)\s+(?P<name>[\w.:]+)\s*\(", r"(?:local\s+)?(?P<name>[\w.]+)\s*=\s*(?P<kind>function)\s*\("),
    comments=("--",),
)
_SHELL = Language(
    _patterns(
        r"(?:(?P<kind>function)\s+)?(?P<name>[\w:.-]+)\s*\(\s*\)\s*(?=[{(]|$)", r"(?P<kind>function)\s+(?P<name>[\w:.-]+)\s*(?=\{|$)"
    ),
    comments=("#",),
)
_R = Language(_patterns(r"(?P<name>[\w.]+)\s*(?:<-|=)\s*(?P<kind>function)\s*\("), comments=("#",))
_PERL = Language(_patterns(r"(?P<kind>sub)\s+(?P<name>[\w:]+)", r"(?P<kind>package)\s+(?P<name>[\w:]+)"), comments=("#",))
_POWERSHELL = Language(_patterns(r"(?i:(?P<kind>function|filter|class))\s+(?P<name>[\w:-]+)"), comments=("#",))
_SQL = Language(
    _patterns(
        r"(?i:create\s+(?:or\s+replace\s+)?(?:(?:temp|temporary|unique|materialized|unlogged|external|virtual|definer\s*=\s*\S+)\s+)*"
        r"(?P<kind>table|view|function|procedure|trigger|index|type|schema|database|sequence|domain|role|extension)\s+(?:concurrently\s+)?(?:if\s+not\s+exists\s+)?"
        r"(?P<name>[\w.\"`\[\]]+))"
    ),
    comments=("--",),
)

LANGUAGES: Mapping[str, Language] = {
    "text/x-python": _PYTHON,
    "text/javascript": _JAVASCRIPT,
    "text/x-typescript": _JAVASCRIPT,
    "text/x-java": _JAVA,
    "text/x-csharp": _JAVA,
    "text/x-kotlin": _KOTLIN,
    "text/x-scala": _KOTLIN,
    "text/x-c": _C,
    "text/x-c++": _C,
    "text/x-go": _GO,
    "text/x-rust": _RUST,
    "text/x-ruby": _RUBY,
    "text/x-php": _PHP,
    "text/x-swift": _SWIFT,
    "text/x-lua": _LUA,
    "text/x-shellscript": _SHELL,
    "text/x-r": _R,
    "text/x-perl": _PERL,
    "text/x-powershell": _POWERSHELL,
    "text/x-sql": _SQL,
}
"""The languages whose symbols are known, by media type."""
