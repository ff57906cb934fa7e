import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config.problems import ConfigError, Mark
from headgate.config.yaml import DEPTH_MAX, FILE_BYTES_MAX, Node, read


def one(text: str) -> Node:
    (node,) = read(text.encode(), "a.yaml")
    return node


def refusal(raw: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(raw.encode() if isinstance(raw, str) else raw, "a.yaml")
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-7", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("0.35", 0.35),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("2027-03-31", "2027-03-31"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("!!float 12", 12.0),
        ("! 12", "12"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("'a\u2028b'", "a\u2028b"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    node = one(f"[{text}]" if not text.startswith("|") else f"- {text}")
    found = node.data[0] if node.data else None
    assert (found, type(found)) == (value, type(value))


def test_every_key_and_value_knows_its_place() -> None:
    node = one("a: 1\nroutes:\n  - name: x\n    match: {model: y}\n")
    assert node.key_mark("routes") == Mark(2, 1)
    assert node.at("routes", 0).mark == Mark(3, 5)
    assert node.at("routes", 0).key_mark("match") == Mark(4, 5)
    assert node.at("routes", 0, "match", "model").mark == Mark(4, 20)
    assert node.at("routes", 7, "match").mark == node.at("routes").mark


def test_a_file_holds_several_documents_and_empty_ones_are_left_out() -> None:
    nodes = read(b"---\na: 1\n---\n# nothing\n---\nb: 2\n...\n", "a.yaml")
    assert [node.data for node in nodes] == [{"a": 1}, {"b": 2}]
    assert nodes[1].mark == Mark(6, 1)
    assert read(b"# only a comment\n", "a.yaml") == []


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    (node,) = read("\ufeffa: 1".encode(), "a.yaml")
    assert node.data == {"a": 1}


def test_aliases_repeat_a_value() -> None:
    assert one("a: &x {b: 1}\nc: [*x, *x]").data == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "a.yaml:3:1: the key `a` stands here twice (first on line 1)"),
        ("x: &x {a: 1}\ny:\n  <<: *x", "a.yaml:3:3: merge keys (`<<`) are not part of YAML 1.2"),
        ("a: !env KEY", "a.yaml:1:4: tags of your own"),
        ("a: !secret {b: 1}", "a.yaml:1:4: tags of your own"),
        ("a: !!python/object:os.system x", "a.yaml:1:4: tags of your own"),
        ("a: !!int many", "a.yaml:1:4: this is no !!int"),
        ("1: a", 'a.yaml:1:1: a key must be text; write "1" in quotes'),
        ("true: a", 'a.yaml:1:1: a key must be text; write "true" in quotes'),
        ("? [a, b]\n: c", "a.yaml:1:3: a key must be text"),
        ("a: *b", "a.yaml:1:4: no anchor `&b` stands before this alias"),
        ("a: &b [*b]", "a.yaml:1:8: the alias `*b` contains itself"),
        ("a: [1, 2", "a.yaml:1:9: this is not YAML: while parsing a flow sequence"),
        ("a: b: c", "a.yaml:1:5: this is not YAML: mapping values are not allowed here"),
        ("a:\n\tb: 1", "a.yaml:2:1: this is not YAML: while scanning for the next token"),
        ("a: .inf", "a.yaml:1:4: write a finite number"),
        ("a: .NaN", "a.yaml:1:4: write a finite number"),
        ("a: 1e999", "a.yaml:1:4: this number is too large"),
        (f"a: {'9' * 5000}", "a.yaml:1:4: this number is too long"),
        ('a: "\\ud800"', "a.yaml:1:4: half of a surrogate pair is no character"),
        ("a: 1\nb: \x07", "a.yaml:2:4: a control character may not stand here"),
        ("%YAML 1.1\n---\na: no", "a.yaml:2:1: write YAML 1.2 and leave out the %YAML line"),
        (b"a: \xff", "a.yaml:1:4: the file is not UTF-8 text"),
        ("[" * 500, f"a.yaml:1:{DEPTH_MAX + 2}: the nesting is deeper than {DEPTH_MAX} levels"),
    ],
)
def test_what_is_refused_names_its_place(text: str | bytes, message: str) -> None:
    assert refusal(text).startswith(message)


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert "aliases add more than 10000 values" in refusal("\n".join(lines))


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    assert "is larger than 2048 KiB" in refusal(b"[" * (FILE_BYTES_MAX + 1))


_TEXT = st.characters(exclude_categories=["Cs"])
_KEYS = st.text(_TEXT, max_size=40)
"""YAML allows a key on one line 1024 characters, escapes included (7.4.2); JSON knows no limit."""

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(_TEXT),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(_JSON.filter(lambda value: value is not None))
def test_json_is_yaml(value: object) -> None:
    (node,) = read(json.dumps(value).encode(), "a.json")
    assert node.data == value
    assert sum(1 for _ in node.walk()) == node.size


@given(st.text() | st.text(alphabet="ab: -[]{}\n\"'#&*!|>%@`,?~1.\t"))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        read(text.encode("utf-8", "surrogatepass"), "a.yaml")
    except ConfigError as error:
        assert all(problem.file == "a.yaml" and problem.message for problem in error.problems)
