"""reStructuredText, Org and TeX: the source is the text, and its outline is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.org import read_org
from wellread.read.restructured import read_restructured
from wellread.read.sections import nest
from wellread.read.tex import read_tex

Reader = Callable[[bytes, str, Limits], Content]


def read(reader: Reader, source: str) -> Content:
    content = reader(source.encode(), "x", Limits())
    assert content.text == source
    return content


def titles(content: Content) -> list[tuple[int, str]]:
    return [(section.level, section.title) for section in nest(content.headings, len(content.text))]


def regions(content: Content) -> list[tuple[str, str]]:
    return [(region.kind, content.text[region.start : region.end]) for region in content.regions]


RST = """=========
The Guide
=========

.. _first:
First ``step``
--------------

A paragraph that ends
in two lines
and is no title.

-----

Example::

    code here

    more code
Not code.

.. code-block:: python
   :linenos:

   x = 1

Deep :ref:`part <p>`
~~~~~~~~~~~~~~~~~~~~

+------+------+
| Name | Size |
+------+------+
| Elk  | 2 m  |
+------+------+

=====  ====
a      b
=====  ====
1      2
=====  ====

.. include:: secret.txt
.. raw:: html
   :file: secret.html

第一章
======

Next
----
"""


def test_rst() -> None:
    content = read(read_restructured, RST)
    assert content.title == "The Guide"
    assert titles(content) == [(1, "The Guide"), (2, "First step"), (3, "Deep part"), (4, "第一章"), (2, "Next")]
    assert [content.text[one.start :].split("\n")[0] for one in content.headings][:2] == ["=========", "First ``step``"]
    kinds = regions(content)
    assert [kind for kind, _ in kinds] == ["code", "code", "table", "table"]
    assert kinds[0][1] == "    code here\n\n    more code"
    assert kinds[1][1] == "   :linenos:\n\n   x = 1"
    assert kinds[2][1].startswith("+---") and kinds[2][1].endswith("---+") and kinds[2][1].count("\n") == 4
    assert kinds[3][1].startswith("=====") and kinds[3][1].endswith("====") and kinds[3][1].count("\n") == 4


ORG = """#+Title: Notes of a day
* TODO [#A] First [[http://x][link]]  :tag:other:
text
#+BEGIN_SRC sh
* no heading
| no table
#+END_SRC
*** Deep
| Name | Size |
|------+------|
| Elk  | 2 m  |
end
*bold* is no heading
#+begin_src
never closed
* Last
"""


def test_org() -> None:
    content = read(read_org, ORG)
    assert content.title == "Notes of a day"
    assert titles(content) == [(1, "First link"), (3, "Deep"), (1, "Last")]
    assert regions(content) == [("code", "* no heading\n| no table"), ("table", "| Name | Size |\n|------+------|\n| Elk  | 2 m  |")]


TEX = r"""\documentclass{article}
\newcommand{\elk}{Elk~7\xspace}
\title[short]{On \elk{} and \textbf{m\"uch} else\thanks{To all}}
% \section{Not this}
\begin{document}
\begin{abstract}We say.\end{abstract}
\section{Why \& how\label{sec:a}} Text \input{secret}.
\subsection*{Deep \texorpdfstring{$x$}{x}}
\begin{verbatim}
\section{nor this}
\end{verbatim}
100\% \section{Tables}
\begin{tabular}{ll}
a & b \\
c & d \\
\end{tabular}
\end{document}
"""


def test_tex() -> None:
    content = read(read_tex, TEX)
    assert content.title == "On Elk 7 and müch else"
    assert titles(content) == [(1, "Abstract"), (1, "Why & how"), (2, "Deep x"), (1, "Tables")]
    assert all(content.text[one.start] == "\\" for one in content.headings)
    assert [(kind, text.count("\n")) for kind, text in regions(content)] == [("code", 2), ("table", 3)]


MARKS = st.lists(
    st.sampled_from(
        ["Title", "====", "----", "\n", "\n\n", "* ", "#+begin_src\n", "#+end_src\n", "| a |\n", "\\section{", "}", "\\begin{verbatim}",
         "\\end{verbatim}", "%", "::\n\n", "   code\n", "+--+\n", "== ==\n", ".. a\n", "检", "`", "\\"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@pytest.mark.parametrize("reader", [read_restructured, read_org, read_tex])
@given(source=MARKS)
def test_any_mixture_of_marks_is_read(reader: Reader, source: str) -> None:
    content = read(reader, source)
    ends = [0] + [region.end for region in content.regions]
    assert all(end <= region.start < region.end <= len(source) for end, region in zip(ends, content.regions, strict=False))
    assert all(0 <= heading.start < len(source) and heading.level >= 1 for heading in content.headings)
