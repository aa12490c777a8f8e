"""Filters: a text and its tree, and the chunks that each lets through, checked against a plain reading of every chunk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wellread.errors import UsageError
from wellread.index.filters import FIELDS, And, Condition, Filter, Not, Or, folded, parse_filter
from wellread.index.kinds import KINDS, WEB, media_types
from wellread.index.periods import numbers, period
from wellread.index.rows import Source, WebPage
from wellread.index.store import Store
from wellread.read import media
from wellread.types import Document, Page, Span

# --- the language


def texts(**how: int) -> st.SearchStrategy[str]:
    return st.text(min_size=1, **how).filter(lambda text: folded(text).strip() != "" and text.strip() != "")


days = st.dates(min_value=datetime(1000, 1, 1).date(), max_value=datetime(2999, 12, 31).date()).map(str)
spans = st.sampled_from(["2024", "2024-03", "2024-3-5", "1999-12"]) | days
numbered = st.integers(0, 10**9 - 1).map(str)
conditions = st.one_of(
    st.builds(Condition, st.sampled_from(["source", "title", "tag"]), st.just(":"), texts()),
    st.builds(Condition, st.just("type"), st.just(":"), st.sampled_from([*KINDS, WEB, "text/html", "IMAGE/*", ".PDF"])),
    st.builds(Condition, st.just("date"), st.sampled_from([":", "<", "<=", ">", ">="]), spans),
    st.builds(Condition, st.just("page"), st.sampled_from([":", "<", "<=", ">", ">="]), numbered),
    st.builds(Condition, st.just("page"), st.just(":"), texts().filter(lambda text: ".." not in folded(text))),
    st.sampled_from([Condition("date", ":", "2023..2024-03"), Condition("date", ":", ".. 2023"), Condition("page", ":", "3..")]),
)


def trees(leaves: st.SearchStrategy[Condition], most: int) -> st.SearchStrategy[Filter]:
    return st.recursive(
        leaves,
        lambda parts: st.one_of(
            st.builds(Not, parts),
            st.builds(And, st.lists(parts, min_size=2, max_size=3).map(tuple)),
            st.builds(Or, st.lists(parts, min_size=2, max_size=3).map(tuple)),
        ),
        max_leaves=most,
    )


@given(trees(conditions, 12))
def test_a_filter_is_its_text(filter: Filter) -> None:
    assert parse_filter(str(filter)) == filter


@given(st.text(st.sampled_from('abdegopty:<>=()"-* \\“”：.2430 \n'), max_size=60) | st.text(max_size=30))
def test_any_text_is_a_filter_or_refused_with_a_hint(text: str) -> None:
    try:
        filter = parse_filter(text)
    except UsageError as error:
        assert error.message.endswith(".")
        assert error.hint
    else:
        assert parse_filter(str(filter)) == filter


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("type:pdf and date >= 2024", "type:pdf date>=2024"),
        ("TYPE: pdf AND NOT tag:draft", "type:pdf -tag:draft"),
        ("tag:a tag:b or tag:c", "(tag:a tag:b) or tag:c"),
        ("tag:a (tag:b or tag:c)", "tag:a and (tag:b or tag:c)"),
        ("-(tag:a tag:b)", "not (tag:a tag:b)"),
        ("title：“年度 报告”", 'title:"年度 报告"'),
        (r'title:"say \"no\" \\ C:\x"', r'title:"say \"no\" \\ C:\\x"'),
        ("source:https://example.org/a?b=c:d", 'source:"https://example.org/a?b=c:d"'),
        ("tag:or tag:not", 'tag:"or" tag:"not"'),
    ],
)
def test_the_same_filter_in_other_words(text: str, same: str) -> None:
    assert parse_filter(text) == parse_filter(same)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("typ:pdf", 'did you mean "type"? (as in: type:pdf)'),
        ("作者:王", "the fields are source, type"),
        ("type:pfd", 'did you mean "pdf"?'),
        ("finance", "title:finance"),
        ("type=pdf", "write type:pdf"),
        ("title>=x", "only date and page can"),
        ('title:"annual report', "not closed"),
        ("title:“年报", "not closed"),
        ("(tag:a", "(tag:a)"),
        ("tag:a)", '")" too many'),
        ("tag:a or", "ends where a condition should follow"),
        ("-", "ends where a condition should follow"),
        ("or tag:a", '"or" in the filter is no condition'),
        ("tag", "lacks its value"),
        ("tag: ", "lacks its value"),
        ('tag:""', "lacks its value"),
        ("source:a(1).pdf", 'source:"a(1).pdf"'),
        ("date:2024-02-30", "no day, month or year"),
        ("date:0999", "no day, month or year"),
        ("date:yesterday", "date:2024-03"),
        ("date:2024..2023", "write date:2023..2024"),
        ("date>=2023..2024", "no range"),
        ("page:10..3", "write page:3..10"),
        ("page:iv..x", "page:iv"),
        ("page>iv", "no page number"),
        ("page:..", "no range"),
        ("(" * 5000, "5,000 characters"),
        ("(" * 1000 + "tag:a" + ")" * 1000, "nested more than"),
        ("-" * 3000 + "tag:a", "nested more than"),
        (" ".join(["tag:a"] * 65), "more than 64 conditions"),
        ("tag:\udce9", "not valid text"),
    ],
)
def test_a_mistake_is_told_with_a_right_filter(text: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_filter(text)
    assert told in str(raised.value)
    assert raised.value.hint


def test_every_ending_that_is_read_has_a_type() -> None:
    suffixes = {**media._TEXT_SUFFIXES, **media._BINARY_SUFFIXES}
    unread = {media.DOC, media.PPT, media.ZIP, media.TAR, media.GZIP, media.BZIP2, media.XZ}
    missing = {suffix: kind for suffix, kind in suffixes.items() if kind not in unread and kind not in KINDS.get(suffix[1:], ())}
    assert missing == {}
    assert set(media.IMAGES) == set(KINDS["image"])


# --- what is let through


@dataclass(frozen=True)
class Held:
    """A document of the library below, with where it is, its tags as they hold, and the labels of its pages."""

    paths: tuple[str, ...]
    title: str
    media_type: str
    own_date: str | None
    modified: str | None
    labels: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def date(self) -> str | None:
        return self.own_date or self.modified


LIBRARY = (
    Held(("/home/me/papers/2024/report.pdf", "/home/me/copy/Bericht.PDF"), "Annual Report", media.PDF, "2024-03-05", "2024-07-01",
         ("i", "ii", "1", "2", "3"), ("finance", "old")),
    Held(("/home/me/papers/2023/报告 (终).docx",), "年度报告 2023", media.DOCX, None, "2023-12-31", (), ("finance",)),
    Held(("/home/me/papers.zip/2024/Ｄata.xlsx",), "Data", media.XLSX, None, "1999-01-01", ("sheet Sales", "sheet 2"), ("zipped",)),
    Held(("/home/me/papersX/talk.pptx",), "An annual  talk", media.PPTX, "2999-12-31", "2020-02-29", ("slide 1", "slide 2", "slide 03")),
    Held(("/home/me/src/a.b/main.py",), "main.py", "text/x-python", None, "2024-02-29"),
    Held(("https://example.org/docs/Guide.html",), "Guide", media.HTML, None, "2022-05-04", (), ("site",)),
    Held(("https://example.org/docs/new.html",), "New", media.HTML, None, None, (), ("site",)),
    Held(("/home/me/scan_100%.png",), "scan", "image/png", "1000-01-01", "2024-01-01", ("1",)),
)  # fmt: skip
TAGGED = {
    "/home/me/papers": ("Finance",),
    "/home/me/papers.zip": ("zipped",),
    "/home/me/copy/Bericht.PDF": ("old",),
    "https://example.org/sitemap.xml": ("site",),
    "/nowhere": ("nothing",),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, dict[int, tuple[Held, str | None]]]]:
    """The store, and what each of its chunks is of: a document and the label of a page."""
    with closing(Store(tmp_path_factory.mktemp("filters") / "library.db")) as store:
        chunks: dict[int, tuple[Held, str | None]] = {}
        for number, held in enumerate(LIBRARY):
            names = held.labels or ("",)
            text = "\f".join(f"{number} first.\nsecond." for _ in names)
            starts = [match.start() for match in re.finditer(r"\d first", text)]
            pages = tuple(Page(at, label, starts[at], starts[at] + 16) for at, label in enumerate(held.labels))
            document = Document(
                hashlib.sha256(text.encode()).hexdigest(), held.paths[0], held.title, held.media_type, text, pages, date=held.own_date
            )
            made = [
                Span(start + low, start + high, at if pages else None) for at, start in enumerate(starts) for low, high in ((0, 8), (9, 16))
            ]
            before = set(chunks)
            ns = (
                0
                if held.modified is None
                else int(datetime.fromisoformat(held.modified + "T23:59:59").replace(tzinfo=UTC).timestamp()) * 10**9
            )
            web = held.paths[0].startswith("http")
            store.put(document, made, np.ones((len(made), 3), np.float32), Source(held.paths[0], document.id, 1, 0 if web else ns))
            store.link(*(Source(path, document.id, 1, ns + 10**18) for path in held.paths[1:]))
            if web:
                told = held.modified and datetime.fromtimestamp(ns / 10**9, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
                store.set_web_page(WebPage(held.paths[0], "https://example.org/sitemap.xml", None, told))
            rows = {row.chunk for row in store.index_rows(0)} - before
            chunks |= {chunk: (held, held.labels[at // 2] if pages else None) for at, chunk in enumerate(sorted(rows))}
        for path, tags in TAGGED.items():
            store.tags.add([path], tags)
        yield store, chunks


def lets_through(filter: Filter, held: Held, label: str | None) -> bool:
    """What a filter means, read plainly."""
    if isinstance(filter, Not):
        return not lets_through(filter.part, held, label)
    if isinstance(filter, (And, Or)):
        return (all if isinstance(filter, And) else any)(lets_through(part, held, label) for part in filter.parts)
    value = folded(filter.value).strip()
    if filter.field == "tag":
        return value in held.tags
    if filter.field == "title":
        return value in folded(held.title)
    if filter.field == "type":
        meant = media_types(value)
        web = value == WEB and any(path.startswith("http") for path in held.paths)
        return web or any(held.media_type == one or (one.endswith("*") and held.media_type.startswith(one[:-1])) for one in meant)
    if filter.field == "source":
        begin = "" if value.startswith("/") else "(.*/)?"
        pattern = begin + ".*".join(map(re.escape, value.rstrip("/").split("*"))) + "(/.*)?"
        return any(re.fullmatch(pattern, folded(path), re.DOTALL) for path in held.paths)
    if filter.field == "date":
        first, last = period(filter.operator, value)
        return held.date is not None and str(first) <= held.date <= str(last)
    if label is None:
        return False
    bounds, bare = numbers(filter.operator, value), folded(label).split(" ", 1)[-1]
    if bounds is None:
        return value in (folded(label), bare)
    return bare.isdecimal() and bounds[0] <= int(bare) <= bounds[1]


POOL = """
source:papers source:2024 source:PAPERS/2024/ source:papers/2024/* source:*.pdf source:report* source:/home/me/papers source:/home
source:/papers source:papers* source:*/2024/* source:数 source:报告* source:data.xlsx source:example.org source:main source:a.b
source:https://example.org/docs source:scan_100% source:p*r*s/2024 source:me/copy source:* source:/ source:h_me source:Bericht.pdf
source:/home/*/report.pdf source:/h*/2024
type:pdf type:PDF type:.docx type:code type:web type:html type:image type:image/* type:text/x-python type:spreadsheet type:epub
title:annual title:ANNUAL title:报告 title:"annual report" title:２０２３ title:. title:%
date:2024 date:2024-03 date:2024-03-05 date<2024 date<=2024-02-29 date>2999-12 date>=2999-12-31 date>2024-03-04 date<1000-02
date:2022..2023 date:..2000 date:2999.. date:1000 date<1000 date:2020-02 date:2021-12
page:1 page:iii page:II page:3 page:2..3 page>=2 page<2 page:sales page:"sheet Sales" page:"slide 03" page>3 page:99 page<0
tag:finance tag:FINANCE tag:old tag:zipped tag:site tag:none tag:nothing
"""


def pool() -> list[Condition]:
    parsed = [parse_filter(text) for text in re.findall(r'\w+[:<>=]+(?:"[^"]*"|\S+)', POOL)]
    return [one for one in parsed if isinstance(one, Condition)]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filter=trees(st.sampled_from(pool()), 5))
def test_a_filter_lets_through_what_it_says(library: tuple[Store, dict[int, tuple[Held, str | None]]], filter: Filter) -> None:
    check(library, filter)


@pytest.mark.parametrize("condition", pool(), ids=str)
def test_a_condition_lets_through_what_it_says(library: tuple[Store, dict[int, tuple[Held, str | None]]], condition: Condition) -> None:
    check(library, condition)


def check(library: tuple[Store, dict[int, tuple[Held, str | None]]], filter: Filter) -> None:
    store, chunks = library
    within = store.within(filter)
    expected = {chunk for chunk, (held, label) in chunks.items() if lets_through(filter, held, label)}
    ids = np.array(sorted(chunks), np.int64)
    assert set(ids[within.holds(ids)].tolist()) == expected
    assert within.count == len(expected) == int((within.last - within.first + 1).sum())
    assert np.all(within.first <= within.last)
    assert np.all(within.first[1:] > within.last[:-1] + 1)  # ranges that touch are one
    titles = sorted({chunks[chunk][0].title for chunk in expected})
    assert [listed.title for listed in store.documents(within)] == titles


def test_no_condition_of_the_pool_lets_through_everything_or_nothing_by_accident(
    library: tuple[Store, dict[int, tuple[Held, str | None]]],
) -> None:
    store, chunks = library
    counts = {str(one): store.within(one).count for one in pool()}
    empty = {text for text, count in counts.items() if not count}
    assert empty == {
        "source:/papers", "source:数", "source:main", "source:h_me", "source:scan_100%", "type:epub", "title:%", "date>2999-12",
        "date<1000", "date:2020-02", "date:2021-12", "page:iii", "page:99", "page<0", "page>3", "tag:none", "tag:nothing",
    }  # fmt: skip
    assert {text for text, count in counts.items() if count == len(chunks)} == {"source:*"}
    assert {condition.field for condition in pool()} == set(FIELDS)


def test_dates_and_tags_are_listed(library: tuple[Store, dict[int, tuple[Held, str | None]]]) -> None:
    listed = {one.title: one for one in library[0].documents()}
    assert {title: one.date for title, one in listed.items()} == {held.title: held.date for held in LIBRARY}
    assert {title: one.tags for title, one in listed.items()} == {held.title: held.tags for held in LIBRARY}
    assert library[0].document(listed["Annual Report"].id).date == "2024-03-05"
    assert library[0].document(listed["Guide"].id).date is None


def test_tags_are_put_on_paths_and_taken_away(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "library.db")) as store:
        before = store.change
        store.tags.add(["/a", "/a/b"], ["Finance ", "ＦＩＮＡＮＣＥ", "two  words"])
        assert store.tags.by_path() == {"/a": ("finance", "two words"), "/a/b": ("finance", "two words")}
        assert store.change == before + 1
        store.tags.add(["/a"], ["finance"])
        assert store.change == before + 1  # nothing new, so that what was found before still holds
        with pytest.raises(UsageError, match="from /a") as raised:
            store.tags.remove(["/a/b/c.txt"], ["finance"])
        assert "wellread add /a --untag finance" in str(raised.value)
        with pytest.raises(UsageError, match='did you mean "finance"'):
            store.tags.remove(["/a"], ["fiance"])
        assert store.tags.remove(["/a"], ["finance"]) == 2
        assert store.tags.by_path() == {"/a": ("two words",), "/a/b": ("two words",)}
        store.tags.add(["/ab"], ["other"])
        assert store.tags.forget(["/a"]) == 2
        assert store.tags.by_path() == {"/ab": ("other",)}
        for bad in ([" "], ["x" * 101], "finance"):
            with pytest.raises(UsageError):
                store.tags.add(["/a"], bad)
