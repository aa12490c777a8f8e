"""Source code: the file as it is, with its symbols as sections."""

from __future__ import annotations

import ast
import email
import json
from pathlib import Path

import pytest

from wellread.read.code import read_code
from wellread.read.limits import Limits
from wellread.read.sections import nest
from wellread.types import Section


def sections(source: str, name: str) -> tuple[Section, ...]:
    content = read_code(source.encode(), name, Limits())
    assert content.text == source
    assert [(region.start, region.end, region.kind) for region in content.regions] == [(0, len(source), "code")]
    return nest(content.headings, len(source))


def outline(source: str, name: str) -> list[tuple[int, str]]:
    return [(section.level, section.title) for section in sections(source, name)]


PYTHON = '''"""Module."""
import os

# about the store
@decorated(
    1)
class Store(Base):
    """A store."""
    x = 1

    @property
    def size(self):
        def inner(): ...
        return 1

    y = 2

    async def put(self, key): pass

def free():
    return "\\d"  # an invalid escape is their affair

if __name__ == "__main__":
    free()
'''


def test_python() -> None:
    found = sections(PYTHON, "store.py")
    assert [(one.level, one.title) for one in found] == [
        (1, "class Store"),
        (2, "def Store.size"),
        (1, "class Store"),
        (2, "def Store.put"),
        (1, "def free"),
        (1, "store.py"),
    ]
    assert [PYTHON[one.start :].strip().split("\n")[0] for one in found] == [
        "# about the store",
        "@property",
        "y = 2",
        "async def put(self, key): pass",
        "def free():",
        'if __name__ == "__main__":',
    ]


def test_python_that_does_not_parse_is_read_by_its_lines() -> None:
    source = "class Old:\n    def say(self):\n        print 'hi'\n\ndef main():\n    pass\n"
    with pytest.raises(SyntaxError):
        ast.parse(source)
    assert outline(source, "x.py") == [(1, "class Old"), (2, "def Old.say"), (1, "def main")]
    assert outline("(" * 100_000, "x.py") == []


@pytest.mark.parametrize("module", [email.__file__, json.__file__, pytest.__file__])
def test_both_ways_find_the_same_in_real_python(module: str) -> None:
    """The parser is the judge of the patterns."""
    for path in sorted(Path(module).parent.glob("*.py")):
        source = path.read_text("utf-8")
        named = [title for _, title in outline(source, path.name) if title.startswith(("class ", "def "))]
        scanned = [title for _, title in outline(source + "\n)", path.name) if title.startswith(("class ", "def "))]
        missing = set(named) - set(scanned)
        assert len(missing) <= len(set(named)) // 10, path
        assert len(set(scanned) - set(named)) <= len(set(named)) // 10 + 1, path


SAMPLES = {
    "a.ts": (
        """\
import x from "y";
/** A store. */
export default class Store<T> extends Base {
  constructor(readonly path: string) {
    super();
  }
  async get<K>(key: K): Promise<T> {
    if (key) {
      return 1;
    }
    foo(function () {
    });
  }
}
export type Pair = [number, number];
export const add = (a: number): number => a;
const plain = 3;
function main() {
}
main();
""",
        ["class Store", " Store.constructor", " Store.get", "type Pair", "add", "function main", "a.ts"],
    ),
    "a.java": (
        """\
package a;
/**
 * class of things
 */
@Entity
public final class Store<T> implements Closeable {
    private int size;
    public <K> List<T> get(K key)
            throws IOException {
        for (int i = 0; i < n; i++) {
            call(i);
        }
    }
    interface Inner {
        void run();
    }
}
""",
        ["class Store", " Store.get", " interface Store.Inner"],
    ),
    "a.c": (
        """\
#define MAX(a, b) ((a) > (b))
int declared(int a);
struct point {
    int x;
};
static const char *name_of(struct point *p,
                           int n)
{
    if (n) {
        return 0;
    }
    return "x";
}
/*
int hidden(void) {
*/
int main(void) {
}
""",
        ["define MAX", "struct point", "name_of", "main"],
    ),
    "a.cpp": (
        """\
namespace geo {
class Shape : public Base {
public:
    virtual ~Shape();
    double area() const override {
        return 1.0;
    }
};
double Shape::edge(int a) const {
    return 2;
}
}
""",
        ["namespace geo", "class Shape", " Shape::area", "Shape::edge"],
    ),
    "a.cs": (
        """\
namespace App {
    public class Store {
        [Obsolete]
        public async Task<int> Get(string key) {
            return 1;
        }
    }
}
""",
        ["namespace App", " class App.Store", "  App.Store.Get"],
    ),
    "a.go": (
        """\
package main

// Store keeps.
type Store struct {
	n int
}

func (s *Store) Put(k string) error {
	return nil
}

func main() {
}
""",
        ["type Store", "func Store.Put", "func main"],
    ),
    "a.rs": (
        """\
/// A store.
#[derive(Debug)]
pub struct Store<T> {
    n: u32,
}
impl<T: Clone> fmt::Display for Store<T> where T: Clone {
    fn fmt(&self) -> Result {
        Ok(())
    }
}
mod other;
pub(crate) async fn run() {}
""",
        ["struct Store", "impl fmt::Display for Store<T>", " fn Store::fmt", "a.rs", "fn run"],
    ),
    "a.rb": (
        """\
module Shop
  class Store < Base
    def self.open(path)
      new(path)
    end
    def empty?
      true
    end
  end
end
""",
        ["module Shop", " class Shop.Store", "  def Shop.Store.self.open", "  def Shop.Store.empty?"],
    ),
    "a.php": (
        """\
<?php
final class Store {
    public function put(string $k): void {
        if ($k) {
        }
    }
}
function main() {
}
""",
        ["class Store", " function Store::put", "function main"],
    ),
    "a.kt": (
        """\
data class Point(val x: Int)
class Store {
    fun put(k: String) {
    }
}
fun String.shout(): String = uppercase()
""",
        ["class Point", "class Store", " fun Store.put", "fun String.shout"],
    ),
    "a.scala": (
        """\
object Main extends App {
  def run(n: Int): Unit = {
  }
}
case class Point(x: Int)
""",
        ["object Main", " def Main.run", "class Point"],
    ),
    "a.swift": (
        """\
public struct Store {
    init(n: Int) {
    }
    func put() -> Int {
    }
}
extension Store: Codable {
}
""",
        ["struct Store", " Store.init", " func Store.put", "extension Store"],
    ),
    "a.lua": (
        """\
local function add(a)
  return a
end
function Store:put(k)
end
""",
        ["function add", "function Store:put"],
    ),
    "a.sh": (
        """\
usage() {
  echo hi
}
function main {
  usage
}
""",
        ["usage", "function main"],
    ),
    "a.r": (
        """\
mean_of <- function(x, ...) {
  sum(x)
}
""",
        ["function mean_of"],
    ),
    "a.pl": (
        """\
package Store;
sub put {
  1;
}
""",
        ["package Store", "sub put"],
    ),
    "a.sql": (
        """\
-- people
CREATE TABLE IF NOT EXISTS people (
  id integer
);
create or replace view v as select 1;
""",
        ["TABLE people", "view v"],
    ),
    "a.css": (
        """\
p { color: red }
""",
        [],
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_symbols_of_other_languages(name: str) -> None:
    """A leading space stands for a level."""
    source, expected = SAMPLES[name]
    assert [" " * (level - 1) + title for level, title in outline(source, name)] == expected


def test_comments_above_a_symbol_go_with_it() -> None:
    source, _ = SAMPLES["a.rs"]
    assert source[sections(source, "a.rs")[0].start :].startswith("/// A store.")
    source = "int x;\n\n/* Says hi. */\nstatic int\nmain (void)\n{\n}\n"
    assert [source[one.start :].split("\n")[0] for one in sections(source, "a.c")] == ["/* Says hi. */"]
