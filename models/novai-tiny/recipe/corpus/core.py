"""What a generated conversation is, and how training and held-out data are kept apart.

A generator is a function of a random source. It returns a conversation whose ``key`` names what makes it new: the
wording of a question, the two operands of a sum, the name of a tool. A key belongs to one side for ever (by its hash),
so a held-out example differs from everything seen in training by more than the seed.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from .words import word_list

HELD_OUT_PERCENT = 8

# What nearly everybody types first is always trained on.
ALWAYS_TRAINED = frozenset(word_list("always_trained"))

Message = dict[str, Any]
ToolSchema = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One question and its answer. ``accepts`` lists every answer that counts as right."""

    user: str
    answer: str
    key: str
    accepts: tuple[str, ...] = ()


@dataclass
class Conversation:
    """Messages in the chat API's form; the last one is the answer that an evaluation asks for."""

    skill: str
    messages: list[Message]
    key: str
    tools: list[ToolSchema] = field(default_factory=list)
    accepts: tuple[str, ...] = ()
    check: str = "text"


@dataclass(frozen=True)
class Topic:
    """Ways to ask one thing, as patterns of ``{a|b|c}`` choices, and the answers to it."""

    patterns: tuple[str, ...]
    answers: tuple[str, ...]


TurnMaker = Callable[[Random], Turn]
ConversationMaker = Callable[[Random], Conversation]

_CHOICE = re.compile(r"\{([^{}]*)\}")


def expand(rng: Random, pattern: str) -> str:
    """Replaces every ``{a|b}`` by one of its options, innermost first."""
    while match := _CHOICE.search(pattern):
        pattern = pattern[: match.start()] + rng.choice(match.group(1).split("|")) + pattern[match.end() :]
    return re.sub(r" +", " ", pattern).strip()


def plain(text: str) -> str:
    """The wording of a question without case and punctuation: two spellings of it are one key."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def is_held_out(key: str) -> bool:
    if key in ALWAYS_TRAINED:
        return False
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def with_article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def load_topics(name: str) -> tuple[Topic, ...]:
    """The table ``topics/<name>.toml``."""
    rows = tomllib.loads((Path(__file__).parent / "topics" / f"{name}.toml").read_text())["topic"]
    return tuple(Topic(tuple(row["ask"]), tuple(row["answer"])) for row in rows)


def topic_turn(rng: Random, topic: Topic) -> Turn:
    question = expand(rng, rng.choice(topic.patterns))
    return Turn(question, rng.choice(topic.answers), plain(question), topic.answers)


def as_json(value: Any, compact: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else (", ", ": "))


def pick_some(rng: Random, items: Sequence[Any], low: int, high: int) -> list[Any]:
    return rng.sample(list(items), min(len(items), rng.randint(low, high)))
