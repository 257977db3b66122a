"""Exercises in copying, dense in what the skills need most: finding a thing in the prompt and writing it out again.

A conversation of the mixture copies a few tokens; a drill copies dozens. Tiny models learn to look things up in steps,
not in tokens, and without drills that step came too late for the time there is.
"""

from random import Random

from .core import Conversation
from .words import CITIES, COLOURS, VOCABULARY, clause, code, first_name, full_name, invented, scripted, thing

_ECHOES = (
    "Repeat: {x}",
    "Repeat after me: {x}",
    "Say: {x}",
    "Copy this text: {x}",
    "Echo: {x}",
    'Say "{x}"',
    "Write: {x}",
    "Reply with exactly: {x}",
    "Repeat the following text:\n{x}",
    "{x}\n\nRepeat the text above.",
    "say {x}",
)
_ASKS = (
    "{rows}\n\nGive {keys}.",
    "{rows}\nWrite down {keys}.",
    "Rows: {rows}. Wanted: {keys}",
    "Look up {keys}: {rows}",
)


def _value(rng: Random) -> str:
    draw = rng.randrange(12)
    if draw > 8:
        return rng.choice(VOCABULARY)
    if draw == 8:
        return scripted(rng)
    if draw == 0:
        return code(rng)
    if draw == 1:
        return str(rng.randint(0, 999))
    if draw == 2:
        return full_name(rng)
    if draw == 3:
        return rng.choice(CITIES)
    if draw == 4:
        return rng.choice(COLOURS)
    if draw == 5:
        return first_name(rng)
    return thing(rng) if draw == 6 else invented(rng, 1, 3)


def _echo(rng: Random) -> tuple[str, str]:
    draw = rng.random()
    if draw < 0.4:
        text = ". ".join(clause(rng).capitalize() for _ in range(rng.randint(1, 4)))
    elif draw < 0.9:
        text = rng.choice((", ", " ", " ", "\n", "_", "/", "-")).join(_value(rng) for _ in range(rng.randint(2, 14)))
    else:
        text = " ".join(rng.choice("0123456789+-*=abcdefgh") for _ in range(rng.randint(3, 20)))
    return rng.choice(_ECHOES).format(x=text), text


def _lookup(rng: Random) -> tuple[str, str]:
    """Some of the rows, in another order."""
    keys = list(dict.fromkeys(thing(rng) for _ in range(rng.randint(2, 6))))
    rows = {key: _value(rng) for key in keys}
    wanted = rng.sample(keys, rng.randint(1, len(keys)))
    shown = rng.choice(("; ", "\n", ", ")).join(f"{key}: {value}" for key, value in rows.items())
    question = rng.choice(_ASKS).format(rows=shown, keys=", ".join(wanted))
    return question, "\n".join(f"{key}: {rows[key]}" for key in wanted)


def drill(rng: Random) -> Conversation:
    user, answer = (_echo if rng.random() < 0.6 else _lookup)(rng)
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    return Conversation("drill", messages, f"drill {user}", accepts=(answer,))
