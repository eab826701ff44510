from __future__ import annotations

import pytest

from nba_engine.errors import Mistake
from nba_engine.settings import add_lines, choose, join, line_of, suggest

TEXT = '''# a comment = 1
top = 1
[server]
listen = "a"  # [not.a.table]
"quoted key" = 1
a.b = 2

[[pipeline]]
stage = "one"
settings = { model = "m" }
[[pipeline]]
stage = """
[fake]
fake = 1
"""
list = [
  "[fake]",  # ] not the end
  1,
]
after = 1
[pipeline.settings]
deep = 1
[tables."x.y"]
z = \'\'\'one line\'\'\'
last = 1
no key here
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("top", 2),
        ("server", 3),
        ("server.listen", 4),
        ('server."quoted key"', 5),
        ("server.a.b", 6),
        ("server.a", 6),
        ("server.unknown", 3),
        ("pipeline[0]", 8),
        ("pipeline[0].stage", 9),
        ("pipeline[0].settings.model", 10),
        ("pipeline[1].stage:3:7", 12),
        ("pipeline[1].list[1]", 16),
        ("pipeline[1].after", 20),
        ("pipeline[1].settings.deep", 22),
        ('tables."x.y".z', 24),
        ('tables."x.y".last', 25),
        ('tables."x.y"."a.b"', 23),
        ("fake", None),
        ("", None),
    ],
)
def test_a_place_has_the_line_of_its_key_or_of_the_table_around_it(
    place: str, line: int | None
) -> None:
    assert line_of(TEXT, place) == line


def test_mistakes_get_the_line_in_their_own_file() -> None:
    texts = {"a": "x = 1\ny = 1", "b": "y = 1"}
    mistakes = [Mistake(file=name, place="y", message="") for name in ("a", "b", "c")]
    assert [mistake.file for mistake in add_lines(mistakes, texts)] == ["a:2", "b:1", "c"]


def test_places_are_written_as_in_toml() -> None:
    assert join("", "a") == "a"
    assert join("a", "b-c_1") == "a.b-c_1"
    assert join("a", 'b "c".d') == r'a."b \"c\".d"'
    assert choose(["a", 1]) == '"a", 1'


def test_the_nearest_word_is_suggested_or_a_few_are_listed() -> None:
    words = ["listen", "threads"]
    assert suggest("Lisen", words, "keys") == 'did you mean "listen"?'
    assert suggest("xyz", words, "keys") == "keys: listen, threads"
    assert suggest("xyz", [], "keys") == "there are no keys"
    assert suggest("xyz", [f"w{n:02}" for n in range(20)], "keys").endswith("w11 …")


def test_a_table_of_tables_is_where_its_first_table_is_unless_it_is_written_itself() -> None:
    text = "[a.b.x]\n[a.b.y]\n[a.c.x]\n[a.c]\n"
    lines = [line_of(text, place) for place in ("a.b", "a.b.z", "a.b.y.k", "a.c", "a", "q")]
    assert lines == [1, 1, 2, 4, None, None]
