"""JSON, YAML, TOML and XML: the source where its keys tell, the text where it is a document; and nothing built up or fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.structured import read_json, read_json_lines, read_toml, read_yaml
from wellread.read.xml import read_xml

LIMITS = Limits()


def titles(content: Content) -> list[tuple[int, str]]:
    return [(heading.level, heading.title) for heading in content.headings]


def xml(source: str | bytes, limits: Limits = LIMITS) -> Content:
    return read_xml(source.encode() if isinstance(source, str) else source, "x.xml", limits)


VALUES = st.recursive(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(VALUES)
def test_escapes_of_letters_are_undone_and_nothing_else_is(value: object) -> None:
    """The text means the same, and every letter in it can be found."""
    source = json.dumps({"": value})
    text = read_json(source.encode(), "x.json", LIMITS).text
    assert json.loads(text.replace("\ufffd", "")) == json.loads(json.dumps({"": value}).replace("\ufffd", "").replace("\\ufffd", ""))
    assert "\\u" not in text or not any(char.isprintable() and char in "é检😀" for char in json.dumps(value))


def test_chinese_and_emoji_are_found_in_escaped_json() -> None:
    source = r'{"a": "\u4e2d\u6587 \ud83d\ude00", "b": "\\u4e2d \ud83d \u0000 \u0022"}'
    assert read_json(source.encode(), "x.json", LIMITS).text == r'{"a": "中文 😀", "b": "\\u4e2d \ud83d \u0000 \""}'


def test_json_lines_are_rows() -> None:
    source = '{"a": 1}\n{"a": "\\u00e9"}\n'
    content = read_json_lines(source.encode(), "x.jsonl", LIMITS)
    assert content.text == '{"a": 1}\n{"a": "é"}\n'
    assert [(region.start, region.end, region.kind) for region in content.regions] == [(0, len(content.text), "table")]


@pytest.mark.parametrize("source", ["[" * 200_000, '{"a":' * 100_000, '{"a": 1', "nonsense"])
def test_json_that_no_parser_takes_is_text(source: str) -> None:
    assert read_json(source.encode(), "x.json", LIMITS).text == source


def test_yaml_keys_that_hold_a_block_are_headings() -> None:
    source = "# top\nname: x\nserver:\n  # where\n  host: a\n\nversion: 1\nlicense: MIT\n'the items':\n- a\n- b: c\ntext: |\n  key: no\n"
    content = read_yaml(source.encode(), "x.yaml", LIMITS)
    assert content.text == source
    assert titles(content) == [(1, "server"), (1, "version"), (1, "the items"), (1, "text")]
    assert all(source[one.start :].lstrip("'").startswith(one.title) for one in content.headings)


def test_yaml_anchors_are_not_followed() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(20))
    assert read_yaml(bomb.encode(), "x.yaml", LIMITS).text == bomb


def test_toml_tables_are_headings() -> None:
    source = 'a = 1\n[tool.ruff]  # note\nx = [\n  [1, 2],\n]\n[tool.ruff.lint]\ny = 2\n[[item]]\nz = "[no]"\n'
    content = read_toml(source.encode(), "x.toml", LIMITS)
    assert content.text == source
    assert titles(content) == [(2, "tool.ruff"), (3, "tool.ruff.lint"), (1, "item")]


def test_xml_data_stay_as_they_are() -> None:
    source = '<?xml version="1.0"?>\n<facts>\n  <country area="9984670"><capital>Ottawa</capital></country>\n</facts>\n'
    content = xml(source)
    assert content.text == source
    assert [region.kind for region in content.regions] == ["code"]
    assert xml(source.replace("1.0", "1.0' encoding='UTF-8").encode("utf-16")).text.count("Ottawa") == 1


DOCBOOK = """<?xml version="1.0"?>
<!DOCTYPE book PUBLIC "-//OASIS//DTD DocBook XML V4.5//EN" "http://127.0.0.1:9/docbookx.dtd" [
<!ENTITY product "Elk &amp; Co"> <!ENTITY pic SYSTEM "a.xml">]>
<book xmlns:xl="x"><title>The Guide</title><bookinfo><author><firstname>Ann</firstname><surname>Lee</surname></author></bookinfo>
<chapter><title>First <emphasis>steps</emphasis></title><!-- hidden -->
<para>Install &product; with <command>make</command>, as
is known. &pic;</para>
<programlisting>make
  install</programlisting>
<itemizedlist><listitem><para>one</para></listitem><listitem><para>two</para></listitem></itemizedlist>
<section><title>Sizes</title><table><title>Sizes of elks</title><tgroup><thead><row><entry>Name</entry><entry>Size</entry></row></thead>
<tbody><row><entry>Elk</entry><entry>2 m</entry></row></tbody></tgroup></table></section></chapter></book>"""


def test_a_manual_becomes_its_text() -> None:
    content = xml(DOCBOOK)
    assert content.title == "The Guide"
    assert titles(content) == [(1, "The Guide"), (2, "First steps"), (3, "Sizes")]
    assert content.text.split("\n\n") == [
        "The Guide",
        "Ann",
        "Lee",
        "First steps",
        "Install Elk & Co with make, as is known. &pic;",
        "make\n  install",
        "- one",
        "- two",
        "Sizes",
        "Sizes of elks",
        "Name | Size\nElk | 2 m",
    ]
    assert [(content.text[one.start : one.end][:4], one.kind) for one in content.regions] == [("make", "code"), ("Name", "table")]


def test_tei_and_namespaces() -> None:
    body = '<div><head>Canto</head><p>Some <hi rend="it">words</hi> here.</p></div>'
    source = f'<TEI xmlns="http://www.tei-c.org/ns/1.0"><text><body>{body}</body></text></TEI>'
    content = xml(source)
    assert (content.text, titles(content)) == ("Canto\n\nSome words here.", [(1, "Canto")])


def laughs(times: int) -> str:
    entities = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(times))
    return f'<!DOCTYPE d [<!ENTITY l0 "ha">{entities}]><d><p>a &l{times}; b &l0;</p></d>'


def test_entities_are_not_built_up() -> None:
    assert xml(laughs(9)).text in ("a &l9; b ha", laughs(9))
    flood = '<!DOCTYPE d [<!ENTITY a "' + "x" * 200 + '">]><d><p>' + "&a;" * 100 + "</p></d>"
    with pytest.raises(Exception, match="entities") as caught:
        xml(flood, Limits(text_chars=10_000))
    assert getattr(caught.value, "reason", "") == "too_large"


def test_nothing_is_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret words")
    for source in (
        f'<!DOCTYPE d [<!ENTITY x SYSTEM "{secret.as_uri()}">]><d><p>a &x; b</p></d>',
        f'<!DOCTYPE d SYSTEM "{secret.as_uri()}"><d><p>a b</p></d>',
        f'<!DOCTYPE d [<!ENTITY % x SYSTEM "{secret.as_uri()}"> %x;]><d><p>a b</p></d>',
        f'<d xmlns:i="http://www.w3.org/2001/XInclude"><p>a <i:include href="{secret.as_uri()}" parse="text"/> b</p></d>',
    ):
        text = xml(source).text
        assert "a " in text
        assert "secret words" not in text


@pytest.mark.parametrize("source", ["<d><p>open", "<d><p>a & b</p></d>", "<d>" * 5000 + "<p>deep</p>" + "</d>" * 5000])
def test_xml_that_cannot_be_parsed_is_read_as_it_stands(source: str) -> None:
    content = xml(source)
    assert content.text == source
    assert "read as it stands" in content.warnings[0]
