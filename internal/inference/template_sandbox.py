"""Jinja as chat templates expect it, in a sandbox that also bounds what a template can spend.

A template is a program that came with a model. The sandbox of Jinja keeps it from the interpreter, but not from time
and memory. Here every loop iteration, macro call and function call takes a step that looks at the processor time of
the thread, and everything that makes text or lists longer is checked before it is made. What is left is bounded by the
size of the template and of its input.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sized, ValuesView
from datetime import datetime
from functools import wraps
from typing import Any, cast

import jinja2
import jinja2.ext
import jinja2.visitor
from jinja2 import nodes
from jinja2.filters import do_indent, do_round, make_attrgetter
from jinja2.parser import Parser
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

MAX_TEXT_CHARACTERS = 16 << 20
MAX_LIST_ITEMS = 1 << 18
MAX_INTEGER_BITS = 1024
MAX_SEPARATORS = 16  # characters between the values of JSON
STEPS_PER_LOOK = 64

# They make text of any width from a small number, and no chat template needs them.
_FORBIDDEN_FILTERS = ("batch", "center", "filesizeformat", "format", "pprint", "slice", "urlize", "wordwrap", "xmlattr")
# They write out what they are given, whatever it is.
_WRITING_FILTERS = (
    "capitalize", "e", "escape", "forceescape", "lower", "safe", "string", "striptags", "title", "trim", "truncate",
    "upper", "urlencode", "wordcount",
)  # fmt: skip
# They compare, or hash, what they are given.
_COMPARING_FILTERS = ("dictsort", "groupby", "max", "min", "sort", "unique")
_COMPARING_TESTS = (
    "!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "in", "le", "lessthan", "lt", "ne",
)  # fmt: skip
_COMPARING_METHODS = ("count", "index")  # of lists
_FORBIDDEN_METHODS = frozenset({"center", "expandtabs", "format", "format_map", "ljust", "rjust", "translate", "zfill"})


# Private characters break special tokens, see special_tokens: they must come through `tojson` as they are.
_PRIVATE_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u(e[0-9a-f]{3}|f[0-8][0-9a-f]{2})")


class TemplateLimitError(jinja2.TemplateError):
    """The template spends more than it may."""


def _concat(pieces: Iterable[str]) -> str:
    taken, length = [], 0
    for piece in pieces:
        length += len(piece)
        _check(length, MAX_TEXT_CHARACTERS)
        taken.append(piece)
    return "".join(taken)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Compiles chat templates. Rendering is bounded where it runs within `budget()` and may run on several threads."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    concat = staticmethod(_concat)  # what macros, blocks and the whole are put together with

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[jinja2.ext.loopcontrols, GenerationBlock],
            finalize=_printable,
            cache_size=0,
        )
        self._budget = threading.local()
        self.globals.pop("lipsum")
        self.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
        for name in _FORBIDDEN_FILTERS:
            self.filters.pop(name)
        self.filters |= {name: _bounded(self.filters[name]) for name in (*_WRITING_FILTERS, *_COMPARING_FILTERS)}
        self.filters |= {"tojson": tojson, "join": self._join, "replace": self._replace, "indent": _indent}
        self.filters |= {"round": _round, "sum": self._sum, "bounded": self._bounded}
        self.tests |= {name: _bounded(cast(Callable[..., Any], self.tests[name])) for name in _COMPARING_TESTS}
        self.binop_table |= {"+": self._add, "*": self._multiply, "**": _power, "%": _modulo}

    def render(self, template: jinja2.Template, variables: Mapping[str, Any], cpu_s: float) -> str:
        """Raises jinja2.TemplateError, and what Python raises of a template's mistakes: TypeError, RecursionError …"""
        self._budget.steps = 0
        self._budget.until_s = time.thread_time() + cpu_s
        return self.concat(template.generate(**variables))

    def step(self) -> str:
        """Called by the compiled template in every loop iteration and macro."""
        budget = self._budget
        budget.steps += 1
        if budget.steps % STEPS_PER_LOOK == 0:
            self._look()
        return ""

    def _bounded(self, value: Any) -> Any:
        """What is compared, and what may be hashed."""
        if not isinstance(value, _NESTED):
            return value
        self._look()
        return _printable(value)

    def _look(self) -> None:
        if time.thread_time() > self._budget.until_s:
            raise TemplateLimitError("the chat template takes too long")

    def joined(self, *values: Any) -> str:
        """What `~` does."""
        return self.concat(str(_printable(value)) for value in values)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        for kind in (nodes.For, nodes.Macro, nodes.CallBlock):
            for node in template.find_all(kind):
                body: list[nodes.Node] = node.body  # type: ignore[attr-defined]
                body.insert(0, nodes.ExprStmt(_call("step", [], node.lineno)).set_lineno(node.lineno))
        return _Intercepted().visit(template)  # type: ignore[no-any-return]

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as Jinja has it
        __self.step()
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str) and __obj.__name__ == "join":
            return __self._join(args[0], owner)
        if isinstance(owner, str) and __obj.__name__ == "replace":
            return __self._replace(owner, *args, **kwargs)
        if isinstance(owner, list | tuple) and __obj.__name__ in _COMPARING_METHODS:
            __self._bounded([owner, *args])
        return super().call(__context, __obj, *args, **kwargs)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return super().is_safe_attribute(obj, attr, value) and not (isinstance(obj, str) and attr in _FORBIDDEN_METHODS)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        if super().wrap_str_format(value) is None:
            return None

        def refuse(*_args: Any, **_kwargs: Any) -> str:
            raise jinja2.exceptions.SecurityError("format is not available in chat templates; use ~ instead")

        return refuse

    def _join(self, value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
        taken: list[str] = []
        length = 0
        for item in value:
            text = str(_printable(item if attribute is None else self.getitem(item, attribute)))
            length += len(text) + len(d)
            _check(length, MAX_TEXT_CHARACTERS)
            taken.append(text)
        return str(d).join(taken)

    def _sum(self, iterable: Iterable[Any], attribute: str | int | None = None, start: Any = 0) -> Any:
        total = start
        for item in iterable if attribute is None else map(make_attrgetter(self, attribute), iterable):
            self.step()
            total = self._add(total, item)
        return total

    def _replace(self, s: Any, old: str, new: str, count: int | None = None, **_scope: Any) -> str:
        text = str(_printable(s))
        _check(len(text) + text.count(str(old)) * len(str(new)), MAX_TEXT_CHARACTERS)
        return text.replace(str(old), str(new), -1 if count is None else count)

    def _add(self, left: Any, right: Any) -> Any:
        if isinstance(left, str) and isinstance(right, str):
            _check(len(left) + len(right), MAX_TEXT_CHARACTERS)
        elif isinstance(left, Sized) and isinstance(right, Sized):
            _check(len(left) + len(right), MAX_LIST_ITEMS)
        return _hashable(left + right)

    def _multiply(self, left: Any, right: Any) -> Any:
        for sequence, times in ((left, right), (right, left)):
            if isinstance(sequence, Sized) and isinstance(times, int):
                _check(len(sequence) * times, MAX_TEXT_CHARACTERS if isinstance(sequence, str) else MAX_LIST_ITEMS)
        if isinstance(left, int) and isinstance(right, int):
            _check(left.bit_length() + right.bit_length(), MAX_INTEGER_BITS)
        return _hashable(left * right)


class GenerationBlock(jinja2.ext.Extension):
    """`{% generation %}` marks what the model writes, for training. Here it is only its body."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja has it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _Intercepted(jinja2.visitor.NodeTransformer):
    """What cannot be intercepted becomes a call, which can: `a ~ b`, comparing what both may be lists, and tuples and
    keys, which are hashed."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - found by name
        self.generic_visit(node)
        return _call("joined", node.nodes, node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 - found by name
        self.generic_visit(node)
        if sum(not _is_plain(side) for side in (node.expr, *(operand.expr for operand in node.ops))) > 1:
            node.expr = _bounding(node.expr)
            for operand in node.ops:
                operand.expr = _bounding(operand.expr)
        return node

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802 - found by name
        self.generic_visit(node)
        return node if node.ctx != "load" or _is_plain(node) else _bounding(node)

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802 - found by name
        self.generic_visit(node)
        if not _is_plain(node.key):
            node.key = _bounding(node.key)
        return node


def _is_plain(node: nodes.Node) -> bool:
    """Texts and numbers, as they are written in the template, and what is true or false."""
    return isinstance(node, nodes.Const | nodes.Compare | nodes.Not | nodes.Test) or (
        isinstance(node, nodes.List | nodes.Tuple) and all(map(_is_plain, node.items))
    )


def _bounding(node: nodes.Expr) -> nodes.Expr:
    """As a filter, which is called four times as fast as a method."""
    bounding = nodes.Filter(node, "bounded", [], [], None, None)
    bounding.set_lineno(node.lineno)
    return bounding


def _call(method: str, args: list[nodes.Expr], line: int) -> nodes.Expr:
    call = nodes.Call(nodes.EnvironmentAttribute(method), args, [], None, None)
    call.set_lineno(line)
    return call


def tojson(
    x: Any, ensure_ascii: bool = False, indent: int | str | None = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """JSON without HTML escapes, with the options that templates use."""
    if isinstance(x, Undefined):
        raise jinja2.UndefinedError("tojson of an undefined value")
    # Every value has both beside it, and one that is deep the indent many times.
    if indent is not None:
        _check(len(indent) if isinstance(indent, str) else int(indent), MAX_SEPARATORS)
    _check(sum(map(len, separators or ())), MAX_SEPARATORS)
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    text = encoder.encode(_printable(x)) if indent is None else _concat(encoder.iterencode(_printable(x)))
    return _PRIVATE_ESCAPE.sub(_unescaped, text) if ensure_ascii else text


def _unescaped(match: re.Match[str]) -> str:
    return match[1] + chr(int(match[2], 16))


def _bounded(write: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(write)
    def written(*args: Any, **kwargs: Any) -> Any:
        read = [list(each) if isinstance(each, Iterator) else each for each in args]
        return write(*map(_printable, read), **kwargs)

    return written


_LISTED = (list, tuple, ItemsView, KeysView, ValuesView)
_NESTED = (*_LISTED, Mapping, Namespace)


def _printable(value: Any) -> Any:
    """`value`, when writing or comparing it is bounded: lists may hold one another, or a text, many times over."""
    items = characters = 0
    waiting: list[Any] = [value] if isinstance(value, _NESTED) else []
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, Namespace):
            inner = inner._Namespace__attrs
        if isinstance(inner, Mapping):
            waiting.extend(inner.values())
            waiting.extend(key for key in inner if isinstance(key, tuple))
            characters += sum(len(key) for key in inner if isinstance(key, str))
        elif isinstance(inner, _LISTED):
            waiting.extend(inner)
        elif isinstance(inner, str):
            characters += len(inner)
        items += 1
        _check(items + len(waiting), MAX_LIST_ITEMS)
        _check(characters, MAX_TEXT_CHARACTERS)
    return value


def _hashable(value: Any) -> Any:
    """`value`, when hashing it is bounded."""
    return _printable(value) if isinstance(value, tuple) else value


def _round(value: Any, precision: int = 0, method: Any = "common") -> float:
    _check(abs(precision), MAX_INTEGER_BITS)
    return do_round(value, precision, method)


def _indent(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    prefix = width if isinstance(width, str) else " " * min(width, 64)
    _check(len(s) + (len(s.splitlines()) + 1) * len(prefix), MAX_TEXT_CHARACTERS)
    return do_indent(s, prefix, first, blank)


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        _check(left.bit_length() * right, MAX_INTEGER_BITS)
    return left**right


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        raise jinja2.exceptions.SecurityError("% of a text is not available in chat templates; use ~ instead")
    return left % right


def _check(size: int, limit: int) -> None:
    if size > limit:
        raise TemplateLimitError(f"the chat template makes something of size {size}; {limit} is the limit")


def _raise_exception(message: object) -> None:
    raise jinja2.TemplateError(str(message))


def _strftime_now(format: str) -> str:  # noqa: A002 - as templates name it
    _check(len(format), 256)
    return datetime.now().astimezone().strftime(format)
