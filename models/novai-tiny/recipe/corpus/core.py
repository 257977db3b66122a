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
    """Ways to ask one thing, as patterns of ``{a|b|c}`` choices, and the answers to it.

    ``tasks`` (what one wants to do) and ``subjects`` (what one asks about) go into wordings that all topics share.
    """

    patterns: tuple[str, ...]
    answers: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


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
    columns = ("ask", "answer", "do", "about")
    return tuple(Topic(*(tuple(row.get(column, ())) for column in columns)) for row in rows)


_TASK_ASKS = (
    "How {do|can|should|would|could} {I|we|you|one} %?",
    "How to %?",
    "I {want|need|would like|have|am trying|tried} to %{.|, how?|. How?|}",
    "What {do I have to do|is the best way|is the easiest way|must I do|should I do} to %?",
    "{Show|Tell} me how {to|I can} %{.|}",
    "{Please|Can you|Could you} {explain|show me|tell me|describe} how to %{.|?|}",
    "{Help me|Help me to|I need help to} %{.|}",
    "{Is it possible|Is there a way} to %?",
    "Can {I|we} %{| with NovAI| here}?",
    "{Which|What} {command|call|request} do I {need|use} to %?",
    "{What if I|And if I|What do I do if I} want to %?",
    "%{?|, how?| please}",
)
_SUBJECT_ASKS = (
    "{Tell me|Tell me more|Tell me something} about %{.|}",
    "{Explain|Describe} %{.| to me| briefly| please|}",
    "{Can|Could|Would} you {explain|describe|tell me about} %?",
    "{What about|And|How about} %?",
    "I {have a question|have questions|want to know more|would like to know more|know nothing} about %{.|}",
    "{What should|What must|What do} I {know|need to know} about %?",
    "I {do not|don't} understand %{.|}",
    "What do {you|I} have to know about %?",
    "{Information|Something|More|Help} {about|on} %{.| please|?|}",
    "%{?|, please| please|.|}",
    "What can you {say|tell me} about %?",
)


def _pattern(rng: Random, topic: Topic) -> str:
    shared = ((topic.tasks, _TASK_ASKS, 0.3), (topic.subjects, _SUBJECT_ASKS, 0.25))
    for holes, asks, share in shared:
        if holes and rng.random() < share:
            return rng.choice(asks).replace("%", rng.choice(holes))
    return rng.choice(topic.patterns)


def topic_turn(rng: Random, topic: Topic) -> Turn:
    question = expand(rng, _pattern(rng, topic))
    return Turn(question, rng.choice(topic.answers), plain(question), topic.answers)


def as_json(value: Any, compact: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else (", ", ": "))


def pick_some(rng: Random, items: Sequence[Any], low: int, high: int) -> list[Any]:
    return rng.sample(list(items), min(len(items), rng.randint(low, high)))
