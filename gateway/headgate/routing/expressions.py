"""`when` expressions: a bounded subset of CEL, checked at load and evaluated by Google's library.

The subset has `== != < <= > >= in && || !`, text, numbers, `true`, `false`, lists, the fields
below, and four functions: `has(field)`, `in_window("name")`, `budget("scope").used` and
`glob(field, "pattern")`. There is no loop and no regular expression, so the cost is bounded.

CEL makes a comparison with an absent field an error; in a policy it is false. The parser here
therefore writes each comparison with a test of its fields in front: `caller.region == "eu"` runs as
`(has(caller.region) && caller.region == "eu")`. The types are checked on the source as written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from headgate.config.catalog import Window
from headgate.config.policy import EXPRESSION_CHARACTERS_MAX
from headgate.config.problems import did_you_mean
from headgate.routing.facts import Caller, RequestFacts, World
from headgate.routing.globs import globbed

BUDGET_SCOPES = ("org", "team", "project", "user", "key")
_REQUEST_FIELDS = {
    "req.model": cel.Type.STRING,
    "req.operation": cel.Type.STRING,
    "req.tokens_in": cel.Type.INT,
    "req.tokens_out": cel.Type.INT,
    "req.language": cel.Type.STRING,
    "req.stream": cel.Type.BOOL,
    "req.features": cel.Type.List(cel.Type.STRING),
    "req.modalities": cel.Type.List(cel.Type.STRING),
    "req.metadata": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
}
_CALLER_FIELDS = {f"caller.{name}": cel.Type.STRING for name in Caller.__slots__}
_FIELDS = {**_REQUEST_FIELDS, **_CALLER_FIELDS, "label": cel.Type.STRING}
_OPTIONAL = frozenset({"req.language", *_CALLER_FIELDS})
_FUNCTIONS = ("has", "in_window", "budget", "glob")
_ORDERINGS = ("<", "<=", ">", ">=")
_COMPARISONS = ("==", "!=", *_ORDERINGS, "in")
_DEPTH_MAX = 16

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?![\w.]))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol>==|!=|<=|>=|&&|\|\||[<>!()\[\],.-]))""",
    re.VERBOSE,
)
_CEL_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


class ExpressionError(Exception):
    """An expression that is not in the subset or not well-typed; `line` and `column` from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"{message} (line {line}, column {column} of the expression)")
        self.message = message
        self.line = line
        self.column = column


class EvaluationError(Exception):
    """An expression that has no truth value for these facts."""


@dataclass(frozen=True, slots=True)
class Mentions:
    """What an expression refers to, for checks at load.

    `unguarded` are fields that may be absent and are compared without a `has()` anywhere;
    `comparisons` are those of a field with a literal: (field, operator, value).
    """

    windows: frozenset[str] = frozenset()
    budgets: frozenset[str] = frozenset()
    unguarded: frozenset[str] = frozenset()
    comparisons: tuple[tuple[str, str, str | float], ...] = ()


class Expression:
    """A checked expression. Build it with `parse`."""

    __slots__ = ("_program", "mentions", "source")

    def __init__(self, source: str, program: Any, mentions: Mentions) -> None:
        self.source = source
        self.mentions = mentions
        self._program = program

    def holds(self, bindings: Any) -> bool:
        """Whether it is true for `bindings` (from `bind`); raises `EvaluationError`."""
        value = self._program.eval(bindings).value()
        if value is True or value is False:
            return value
        raise EvaluationError(str(value))


def parse(source: str) -> Expression:
    """Check an expression; raises `ExpressionError`."""
    if len(source) > EXPRESSION_CHARACTERS_MAX:
        raise ExpressionError(f"longer than {EXPRESSION_CHARACTERS_MAX} characters", 1, 1)
    parser = _Parser(source)
    guarded = parser.whole()
    _check_types(source, parser.has_spans)
    return Expression(source, _runtime().compile(guarded), parser.mentions())


def bind(facts: RequestFacts, label: str, world: World, windows: Mapping[str, Window]) -> Any:
    """The values for `Expression.holds`; one for all expressions of a decision.

    `windows` are those that expressions ask for.
    """
    caller = facts.caller
    request: dict[str, Any] = {
        "model": facts.model,
        "operation": facts.operation,
        "tokens_in": facts.tokens_in,
        "tokens_out": facts.tokens_out,
        "stream": facts.stream,
        "features": list(facts.features),
        "modalities": list(facts.modalities),
        "metadata": dict(facts.metadata),
    }
    if facts.language is not None:
        request["language"] = facts.language
    known = {name: value for name in Caller.__slots__ if (value := getattr(caller, name))}
    return _runtime().Activation(
        {
            "req": request,
            "caller": known,
            "label": label,
            "windows": [name for name, window in windows.items() if window.contains(world.now)],
            "budgets": dict(world.budgets),
        }
    )


_globbed = lru_cache(1024)(globbed)


@cache
def _checker() -> Any:
    text, truth = cel.Type.STRING, cel.Type.BOOL
    used = cel.Type.Map(text, cel.Type.DYN)
    return cel.NewEnv(
        variables=_FIELDS,
        functions=[
            _declared("in_window", truth, [text]),
            _declared("budget", used, [text]),
            _declared("glob", truth, [text, text]),
        ],
    )


@cache
def _runtime() -> Any:
    text, anything = cel.Type.STRING, cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(
        variables={
            "req": anything,
            "caller": anything,
            "label": text,
            "windows": cel.Type.List(text),
            "budgets": anything,
        },
        functions=[_declared("glob", cel.Type.BOOL, [text, text], lambda t, p: _globbed(p)(t))],
    )


def _declared(
    name: str, returns: Any, parameters: list[Any], impl: Callable[..., Any] | None = None
) -> Any:
    more = {} if impl is None else {"impl": impl}
    overload = cel.Overload(f"{name}_", return_type=returns, parameters=parameters, **more)
    return cel.FunctionDecl(name, [overload])


def _check_types(source: str, blanks: Iterable[tuple[int, int]]) -> None:
    """Let CEL check the types. `has(…)` is blanked out, so that places in messages stay true."""
    text = source
    for start, end in blanks:
        rest = re.sub(r"[^\n]", " ", text[start + 4 : end])
        text = f"{text[:start]}true{rest}{text[end:]}"
    try:
        result = _checker().compile(text).return_type()
    except RuntimeError as error:
        found = _CEL_ERROR.search(str(error))
        line, column, message = found.groups() if found else ("1", "1", str(error))
        raise ExpressionError(message, int(line), int(column)) from None
    if result != cel.Type.BOOL:
        raise ExpressionError("must be true or false, such as a comparison", 1, 1)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(slots=True)
class _Operand:
    """A part of a comparison: its text to run, and what must be tested before it may run."""

    text: str
    guards: list[str] = field(default_factory=list)
    path: str | None = None
    literals: tuple[str | float, ...] = ()


class _Parser:
    """Recursive descent over the subset; gives the guarded text."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = self._split()
        self._at = 0
        self._depth = 0
        self._paths: set[str] = set()
        self._tested: set[str] = set()
        self._windows: set[str] = set()
        self._budgets: set[str] = set()
        self._comparisons: list[tuple[str, str, str | float]] = []
        self.has_spans: list[tuple[int, int]] = []

    def mentions(self) -> Mentions:
        """What was seen."""
        return Mentions(
            frozenset(self._windows),
            frozenset(self._budgets),
            frozenset(self._paths - self._tested),
            tuple(self._comparisons),
        )

    def whole(self) -> str:
        """The expression up to its end."""
        text = self._either()
        if self._token.kind != "end":
            raise self._error(f"{self._token.text!r} is not expected here")
        return text

    def _either(self) -> str:
        return self._chain("||", self._both)

    def _both(self) -> str:
        return self._chain("&&", self._comparison)

    def _chain(self, operator: str, part: Callable[[], str]) -> str:
        parts = [part()]
        while self._takes(operator):
            parts.append(part())
        return f"({f' {operator} '.join(parts)})" if len(parts) > 1 else parts[0]

    def _comparison(self) -> str:
        left = self._operand()
        place = self._token
        operator = next((sign for sign in _COMPARISONS if self._takes(sign)), None)
        if operator is None:
            return _guarded(left.text, left.guards)
        right = self._operand()
        if operator in _ORDERINGS and "label" in (left.path, right.path):
            raise self._error("labels are names; use == or in [...]", place)
        self._note(left, operator, right)
        return _guarded(f"{left.text} {operator} {right.text}", left.guards + right.guards)

    def _note(self, left: _Operand, operator: str, right: _Operand) -> None:
        for path, literals in ((left.path, right.literals), (right.path, left.literals)):
            if path is not None:
                self._comparisons += [(path, operator, literal) for literal in literals]

    def _operand(self) -> _Operand:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise self._error(f"nested more than {_DEPTH_MAX} deep")
        operand = self._any_operand()
        self._depth -= 1
        return operand

    def _any_operand(self) -> _Operand:
        if self._takes("!"):
            inner = self._operand()
            return _Operand(f"!{_guarded(inner.text, inner.guards)}")
        if self._takes("("):
            text = self._either()
            self._expect(")")
            return _Operand(f"({text})")
        if self._takes("["):
            return self._list()
        if self._token.kind in ("text", "number") or self._token.text == "-":
            return self._literal()
        return self._named()

    def _list(self) -> _Operand:
        items: list[_Operand] = []
        while not self._takes("]"):
            if items:
                self._expect(",")
            items.append(self._operand())
        texts = ", ".join(item.text for item in items)
        guards = [guard for item in items for guard in item.guards]
        literals = tuple(literal for item in items for literal in item.literals)
        return _Operand(f"[{texts}]", guards, literals=literals)

    def _literal(self) -> _Operand:
        sign = "-" if self._takes("-") else ""
        token = self._next()
        if token.kind == "text" and not sign:
            return _Operand(token.text, literals=(token.text[1:-1],))
        if token.kind != "number":
            raise self._error("a number is missing after -", token)
        return _Operand(sign + token.text, literals=(float(sign + token.text),))

    def _named(self) -> _Operand:
        token = self._next()
        if token.kind != "name":
            raise self._error("a value is missing here", token)
        if token.text in ("true", "false"):
            return _Operand(token.text)
        if self._token.text == "(":
            return self._call(token)
        return self._path(token)

    def _call(self, name: _Token) -> _Operand:
        if name.text not in _FUNCTIONS:
            hint = did_you_mean(name.text, _FUNCTIONS)
            raise self._error(f"there is no function {name.text}(){hint}", name)
        self._expect("(")
        operand = getattr(self, f"_call_{name.text}")(name)
        assert isinstance(operand, _Operand)
        return operand

    def _call_has(self, name: _Token) -> _Operand:
        path = self._path(self._next())
        closing = self._expect(")")
        self.has_spans.append((name.start, closing.end))
        self._tested.add(path.path or "")
        return _Operand(" && ".join(path.guards) or "true")

    def _call_in_window(self, name: _Token) -> _Operand:
        window = self._plain_text("the name of a window")
        self._expect(")")
        self._windows.add(window)
        return _Operand(f'("{window}" in windows)')

    def _call_budget(self, name: _Token) -> _Operand:
        scope = self._plain_text("the name of a scope")
        if scope not in BUDGET_SCOPES:
            hint = did_you_mean(scope, BUDGET_SCOPES) or f"; use one of {', '.join(BUDGET_SCOPES)}"
            raise self._error(f"there is no budget scope {scope!r}{hint}", name)
        for expected in (")", "."):
            self._expect(expected)
        self._expect("used")
        self._budgets.add(scope)
        return _Operand(f"budgets.{scope}", [f"has(budgets.{scope})"], f'budget("{scope}").used')

    def _call_glob(self, name: _Token) -> _Operand:
        subject = self._operand()
        self._expect(",")
        if self._token.kind != "text":
            raise self._error('glob needs a pattern in quotes, such as "team-*"')
        pattern = self._next().text
        self._expect(")")
        return _Operand(f"glob({subject.text}, {pattern})", subject.guards)

    def _path(self, root: _Token) -> _Operand:
        path = root.text
        if path in ("req", "caller"):
            self._expect(".")
            path += f".{self._next().text}"
        if path not in _FIELDS:
            raise self._error(_unknown(path), root)
        if path == "req.metadata":
            return self._metadata()
        guards = [f"has({path})"] if path in _OPTIONAL else []
        if guards:
            self._paths.add(path)
        return _Operand(path, guards, path)

    def _metadata(self) -> _Operand:
        """`req.metadata`, `req.metadata.key` or `req.metadata["key"]`."""
        if self._takes("."):
            key = self._next().text
        elif self._takes("["):
            key = self._plain_text("a key")
            self._expect("]")
        else:
            return _Operand("req.metadata", path="req.metadata")
        path = f"req.metadata.{key}"
        self._paths.add(path)
        return _Operand(f'req.metadata["{key}"]', [f'("{key}" in req.metadata)'], path)

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._token
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _takes(self, text: str) -> bool:
        if self._token.kind in ("symbol", "name") and self._token.text == text:
            self._next()
            return True
        return False

    def _expect(self, text: str) -> _Token:
        token = self._token
        if not self._takes(text):
            raise self._error(f"{text!r} is missing here")
        return token

    def _plain_text(self, what: str) -> str:
        token = self._next()
        if token.kind != "text" or not re.fullmatch(r"[\w .:/@+-]+", token.text[1:-1]):
            raise self._error(f"{what} in quotes is missing here", token)
        return token.text[1:-1]

    def _split(self) -> list[_Token]:
        tokens, position = [], 0
        end = len(self._source.rstrip())
        while position < end:
            found = _TOKEN.match(self._source, position)
            if found is None or found.lastgroup is None:
                start = end - len(self._source[position:end].lstrip())
                bad = _Token("bad", self._source[start], start, start + 1)
                raise self._error(f"{bad.text!r} cannot stand here", bad)
            kind = found.lastgroup
            tokens.append(_Token(kind, found[kind], found.start(kind), found.end(kind)))
            position = found.end()
        return [*tokens, _Token("end", "the end", end, end)]

    def _error(self, message: str, token: _Token | None = None) -> ExpressionError:
        before = self._source[: (token or self._token).start]
        return ExpressionError(message, before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)


def _guarded(text: str, guards: list[str]) -> str:
    return f"({' && '.join([*guards, text])})" if guards else text


def _unknown(path: str) -> str:
    root = path.partition(".")[0]
    if root in ("signal", "now"):
        return f"`{root}` is not available in this version"
    return f"there is no field `{path}`{did_you_mean(path, _FIELDS)}"
