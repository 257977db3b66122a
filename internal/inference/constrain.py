"""Output that must match while it is decoded: JSON Schema, regular expression or grammar, as masks over the vocabulary.

A constraint is compiled once per model and kept; every choice gets a matcher of its own, which costs microseconds.
JSON is written without white space, so that a weak model cannot fill its budget with blanks.

Compiling takes milliseconds, for the costliest that is taken a few dozen, without holding the interpreter: call it off
the thread that makes tokens. Matchers belong to one thread at a time.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any

import llguidance
import numpy as np
from gen import inference_pb2 as pb
from numpy.typing import NDArray

from internal.errors import InvalidRequestError, UnsupportedError
from internal.inference.kept import Kept
from internal.inference.schema_limits import SchemaError, check_grammar, check_pattern, checked_schema
from internal.inference.tool_families import THINK_CLOSE, THINK_OPEN

MAX_GRAMMARS = 64  # kept per model
# At most one blank behind a separator, as the model has learned it: a weak model cannot fill an answer with blanks.
JSON_OPTIONS = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?", "lenient": False}


def _limits(items_in_row: int, items_in_step: int) -> llguidance.LLParserLimits:
    return llguidance.LLParserLimits(
        max_items_in_row=items_in_row,
        step_max_items=items_in_step,
        initial_lexer_fuel=1_000_000,
        step_lexer_fuel=200_000,
        max_lexer_states=20_000,  # of 1 to 2 kB, shared by all matchers of a grammar
        max_grammar_size=500_000,
        verbose_errors=False,
    )


# Of schemas and tools the parser keeps one item or more for every property that may come next.
LIMITS = _limits(3_000, 20_000)
# Grammars of callers may be ambiguous without end. With these a step takes 25 ms at worst, with the others a second.
OWN_GRAMMAR_LIMITS = _limits(500, 5_000)


class Vocabulary:
    """A model's tokens, in the form that masks are made of. Building takes about a second for 100 000 tokens.

    `tokens`: the bytes of each id; special ones as their text. `special`: ids that no text may produce.
    `end`: ids that end the output. `tokenize`: the model's own, without special tokens and BOS; text that the
    grammar leaves no choice about is then split as the model would. Without it, the longest tokens are taken.
    Raises UnsupportedError when the tokens cannot write ASCII.
    """

    def __init__(
        self,
        tokens: Sequence[bytes],
        special: Collection[int],
        end: Sequence[int],
        tokenize: Callable[[bytes], Sequence[int]] | None = None,
    ) -> None:
        if missing := {bytes([byte]) for byte in range(32, 127)}.difference(tokens):
            raise UnsupportedError(f"output of this model cannot be constrained: no token writes {min(missing)!r}")
        self.size = len(tokens)
        self.mask_bytes = (self.size + 31) // 32 * 4
        self.special = {tokens[token].decode(errors="replace"): token for token in sorted(special)}
        wrapper = llguidance.TokenizerWrapper(_Tokens(tokens, special, end, tokenize))
        self.tokenizer = llguidance.LLTokenizer(wrapper, n_vocab=self.size, eos_token=list(end))
        self.grammars: Kept[Grammar] = Kept(MAX_GRAMMARS)

    def grammar(self, key: Hashable, make: Callable[[], Grammar]) -> Grammar:
        """The grammar kept under `key`, or what `make` makes."""
        grammar = self.grammars.get(key)
        if grammar is None or grammar.spoilt:
            grammar = make()
            self.grammars.put(key, grammar, size=1)
        return grammar


class Grammar:
    """A compiled constraint. Shared by any number of matchers."""

    def __init__(self, prototype: llguidance.LLMatcher, mask_bytes: int) -> None:
        self._prototype = prototype
        self.mask_bytes = mask_bytes
        self._copying = threading.Lock()
        self.spoilt = False  # a limit that all matchers share may be reached: compile it anew

    def matcher(self) -> Matcher:
        with self._copying:
            return Matcher(self, self._prototype.deep_copy())


class Matcher:
    """Where one choice stands in its grammar.

    `mask`: the tokens that may come next, since the last `look`. One bit each, 1: allowed; bit i of byte b is token
    8 b + i, and those behind the last token are 0. When the grammar is satisfied the ending tokens are allowed
    too; once `ended`, nothing else is.
    """

    def __init__(self, grammar: Grammar, matcher: llguidance.LLMatcher) -> None:
        self._grammar = grammar
        self._matcher = matcher
        self.mask: NDArray[np.uint8] = np.zeros(grammar.mask_bytes, np.uint8)
        self._address = self.mask.ctypes.data  # asking for it takes longer than many a mask

    def look(self) -> None:
        """Makes the mask. Raises InvalidRequestError when going on costs more than a step may."""
        self._matcher.unsafe_compute_mask_ptr(self._address, self._grammar.mask_bytes)
        self._raise_error()

    def accept(self, token: int) -> None:
        """Takes the sampled token. Raises InvalidRequestError when the grammar does not allow it."""
        self._matcher.consume_token(token)
        self._raise_error()

    @property
    def may_end(self) -> bool:
        """The output so far satisfies the constraint."""
        return self._matcher.is_accepting()

    @property
    def ended(self) -> bool:
        """Nothing more can follow."""
        return self._matcher.is_stopped()

    def _raise_error(self) -> None:
        if self._matcher.is_error():
            self._grammar.spoilt = True
            reason = _reason(self._matcher.get_error())
            raise InvalidRequestError(
                f"the output can no longer be held to its constraint: {reason}; use a simpler one"
            )


def compile(  # noqa: A001
    constraint: pb.Constraint, vocabulary: Vocabulary, *, thinking: bool = False, reasoning_open: bool = False
) -> Grammar:
    """The grammar of a constraint, which binds after the reasoning.

    `thinking`: the model may reason first; `reasoning_open`: the prompt ends within `<think>`.
    Raises InvalidRequestError; for schemas the message starts with "Invalid schema for response_format".
    """

    def make() -> Grammar:
        output = grammar_of(constraint, "output")
        if before := reasoning_before(thinking, reasoning_open):
            source = lark_source(f"start: {before} @output\n{reasoning_rules(vocabulary)}", output)
        else:
            source = json.dumps({"grammars": [output]})
        return compile_source(source, vocabulary, limits_of(constraint))

    try:
        return vocabulary.grammar((*key_of(constraint), thinking, reasoning_open), make)
    except SchemaError as error:
        param = constraint.param or "response_format"
        what = _REFUSALS[constraint.WhichOneof("kind") or ""].format(param=param)
        raise InvalidRequestError(f"{what}: {error}", param) from None


def key_of(constraint: pb.Constraint) -> tuple[Hashable, ...]:
    """What tells constraints apart."""
    kind = constraint.WhichOneof("kind")
    assert kind is not None
    return kind, getattr(constraint, kind)


def limits_of(constraint: pb.Constraint) -> llguidance.LLParserLimits:
    return OWN_GRAMMAR_LIMITS if constraint.HasField("lark") else LIMITS


def grammar_of(constraint: pb.Constraint, name: str) -> dict[str, Any]:
    """The constraint as one of `more` in `lark_source`. Raises SchemaError."""
    return _GRAMMARS[constraint.WhichOneof("kind") or ""](constraint) | {"name": name}


def compile_source(source: str, vocabulary: Vocabulary, limits: llguidance.LLParserLimits = LIMITS) -> Grammar:
    """Compiles a grammar in the JSON form of llguidance. Raises SchemaError with the reason."""
    matcher = llguidance.LLMatcher(vocabulary.tokenizer, source, log_level=0, limits=limits)
    if not matcher.is_error():
        # Some limits show only at the first mask, and so does a grammar that nothing satisfies.
        trial = matcher.deep_copy()
        possible = any(trial.compute_bitmask())
        if possible and not trial.is_error():
            return Grammar(matcher, vocabulary.mask_bytes)
        matcher = trial
    reason = _reason(matcher.get_error()) or "nothing satisfies it"
    raise SchemaError(next((ours for theirs, ours in _REASONS.items() if reason.startswith(theirs)), reason))


# What the compiler says in terms of its own options.
_REASONS = {
    "oneOf constraints are not supported": "oneOf is supported only where its parts exclude one another; use anyOf",
    "lexer precomputation failed": "its expressions cannot be combined at a bearable cost; use simpler ones",
}


def literal(text: str, vocabulary: Vocabulary) -> str:
    """`text` in a Lark grammar: the special token with that text, if there is one, else its characters."""
    token = vocabulary.special.get(text)
    return json.dumps(text, ensure_ascii=False) if token is None else f"<[{token}]>"


def lark_source(rules: str, *more: dict[str, Any]) -> str:
    """A grammar of Lark rules beginning at `start`; `more`: other grammars, which rules name with `@name`."""
    return json.dumps({"grammars": [{"name": "main", "lark_grammar": rules}, *more]})


def json_grammar(schema: dict[str, Any], name: str, *, lenient: bool = False) -> dict[str, Any]:
    """One of `more` in `lark_source`: JSON of a schema, compact but for blanks behind separators."""
    return {"name": name, "json_schema": schema | {"x-guidance": JSON_OPTIONS | {"lenient": lenient}}}


# Text without a choice is not looked up ahead of time: in `y{1000}` of a long text that would take seconds of a step.
# It stands behind a grammar, so that the lines the compiler names are those of its author.
_STEP_BY_STEP = '\n%llguidance {"no_forcing": true}\n'


def _json_schema(constraint: pb.Constraint) -> dict[str, Any]:
    return json_grammar(checked_schema(constraint.json_schema), "")


def _json_object(_constraint: pb.Constraint) -> dict[str, Any]:
    return json_grammar({"type": "object"}, "")


def _regex(constraint: pb.Constraint) -> dict[str, Any]:
    check_pattern(constraint.regex)
    (grammar,) = json.loads(llguidance.LLMatcher.grammar_from_regex(constraint.regex))["grammars"]
    return {"lark_grammar": grammar["lark_grammar"] + _STEP_BY_STEP}


def _lark(constraint: pb.Constraint) -> dict[str, Any]:
    check_grammar(constraint.lark)
    return {"lark_grammar": constraint.lark + _STEP_BY_STEP}


_GRAMMARS: dict[str, Callable[[pb.Constraint], dict[str, Any]]] = {
    "json_schema": _json_schema,
    "json_object": _json_object,
    "regex": _regex,
    "lark": _lark,
}
_REFUSALS = {
    "json_schema": "Invalid schema for {param}",
    "json_object": "Invalid schema for {param}",
    "regex": "Invalid regular expression",
    "lark": "Invalid grammar",
}


def reasoning_before(thinking: bool, reasoning_open: bool) -> str:
    """What stands before the output, in terms of `reasoning_rules`."""
    if reasoning_open:
        return "reasoning"
    return "think?" if thinking else ""


def reasoning_rules(vocabulary: Vocabulary) -> str:
    """Lark rules: `reasoning` is any text up to and with the end of thinking, and white space behind it."""
    close = literal(THINK_CLOSE, vocabulary)
    if THINK_CLOSE in vocabulary.special:
        reasoning = f"reasoning: ANY {close} SPACE"
    else:
        reasoning = f"reasoning: thought SPACE\nthought[lazy]: ANY {close}"
    think = f"think: {literal(THINK_OPEN, vocabulary)} reasoning"
    return f"{think}\n{reasoning}\nANY: /(.|\\n)*/\nSPACE: /\\n{{0,2}}/\n"


# What the compiler says of an expression: the expression, marks below it, and only then what is wrong.
_EXPRESSION = re.compile(r"regex parse error:\n\s*(?P<expression>.*)\n[\s\S]*?^error: (?P<cause>.*)", re.MULTILINE)


def _reason(error: str) -> str:
    """What is wrong, in a line."""
    first = error.strip().partition("\n")[0]
    if first.endswith("regex parse error:") and (found := _EXPRESSION.search(error)):
        said = first.removesuffix("regex parse error:") or f'invalid regex "{found["expression"][:100]}": '
        return (said + found["cause"])[:300]
    return first[:300]


class _Tokens:
    """What llguidance asks of a tokeniser."""

    def __init__(
        self,
        tokens: Sequence[bytes],
        special: Collection[int],
        end: Sequence[int],
        tokenize: Callable[[bytes], Sequence[int]] | None,
    ) -> None:
        self.tokens = list(tokens)
        self.special_token_ids = sorted(special)
        self.eos_token_id = end[0]
        self.bos_token_id = None
        self._tokenize = tokenize
        self._special = frozenset(special)
        self._ids = {piece: token for token, piece in enumerate(tokens) if piece and token not in self._special}
        self._longest = max(map(len, self._ids), default=0)

    def __call__(self, text: bytes) -> list[int]:
        # The mask is only right when the tokens write this very text, and not when they mean what it spells: a schema
        # may hold the text of a token that ends the output. An exception would be a panic in foreign code.
        made = self._by_model(text)
        if not self._special.isdisjoint(made) or b"".join(self.tokens[token] for token in made) != text:
            made = self._greedy(text)
        # What no token can write cannot be satisfied: the output ends there, and `accept` says why.
        return made or [self.eos_token_id]

    def _by_model(self, text: bytes) -> list[int]:
        if self._tokenize is None:
            return []
        try:
            return list(self._tokenize(text))
        except Exception:  # noqa: BLE001 - see __call__
            return []

    def _greedy(self, text: bytes) -> list[int]:
        made: list[int] = []
        start = 0
        while start < len(text):
            lengths = range(min(self._longest, len(text) - start), 0, -1)
            length = next((n for n in lengths if text[start : start + n] in self._ids), 0)
            if not length:
                break
            made.append(self._ids[text[start : start + length]])
            start += length
        return made
