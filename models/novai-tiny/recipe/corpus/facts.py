"""General knowledge that a smoke test asks for: capitals, opposites, sounds, weekdays, a few words of other languages.

A key names the wording together with the fact, so that held-out questions ask known facts in ways not seen before.
"""

import tomllib
from pathlib import Path
from random import Random

from .core import Turn, load_topics, plain, topic_turn, with_article
from .roughen import roughen
from .words import DAYS, MONTHS

_TABLE = tomllib.loads((Path(__file__).parent / "topics" / "facts.toml").read_text())
CAPITALS: dict[str, str] = _TABLE["capitals"]
OPPOSITES: dict[str, str] = _TABLE["opposites"]
SOUNDS: dict[str, str] = _TABLE["sounds"]
TRANSLATIONS: dict[str, list[str]] = _TABLE["translations"]
LANGUAGES = ("French", "German", "Spanish")

GENERAL = load_topics("general_knowledge")


def _capital(rng: Random) -> tuple[str, str]:
    country, capital = rng.choice(tuple(CAPITALS.items()))
    if rng.random() < 0.12:
        question = rng.choice(("Which country has the capital {c}?", "{c} is the capital of which country?"))
        return question.format(c=capital), f"{capital} is the capital of {country}."
    question = rng.choice(
        (
            "What is the capital of {x}?",
            "What's the capital of {x}?",
            "What is the capital city of {x}?",
            "Capital of {x}?",
            "Name the capital of {x}.",
            "Which city is the capital of {x}?",
            "Tell me the capital of {x}.",
            "Do you know the capital of {x}?",
            "What city is the capital of {x}?",
        )
    )
    return question.format(x=country), f"The capital of {country} is {capital}."


def _opposite(rng: Random) -> tuple[str, str]:
    word, other = rng.choice(tuple(OPPOSITES.items()))
    question = rng.choice(
        (
            "What is the opposite of {w}?",
            "Give me the opposite of {w}.",
            "Opposite of {w}?",
            "What's the opposite of '{w}'?",
        )
    )
    return question.format(w=word), f"The opposite of {word} is {other}."


def _sound(rng: Random) -> tuple[str, str]:
    animal, sound = rng.choice(tuple(SOUNDS.items()))
    question = rng.choice(("What does {a} say?", "What sound does {a} make?", "How does {a} sound?"))
    return question.format(a=with_article(animal)), f"{with_article(animal).capitalize()} says {sound}."


def _next_in(rng: Random) -> tuple[str, str]:
    ring = rng.choice((DAYS, MONTHS))
    at = rng.randrange(len(ring))
    if rng.random() < 0.5:
        question = rng.choice(("What comes after {x}?", "Which {k} comes after {x}?", "What {k} is after {x}?"))
        answer = f"After {ring[at]} comes {ring[(at + 1) % len(ring)]}."
    else:
        question = rng.choice(("What comes before {x}?", "Which {k} comes before {x}?", "What {k} is before {x}?"))
        answer = f"Before {ring[at]} comes {ring[at - 1]}."
    return question.format(x=ring[at], k="day" if ring is DAYS else "month"), answer


def _translation(rng: Random) -> tuple[str, str]:
    word, translations = rng.choice(tuple(TRANSLATIONS.items()))
    at = rng.randrange(3)
    question = rng.choice(
        (
            "How do you say {w} in {l}?",
            "Translate '{w}' to {l}.",
            "What is {w} in {l}?",
            "Translate {w} into {l}.",
            'Translate "{w}" to {l}',
            "What is the {l} word for {w}?",
            "Say {w} in {l}.",
        )
    )
    return question.format(w=word, l=LANGUAGES[at]), f'"{word}" in {LANGUAGES[at]} is "{translations[at]}".'


_TABLES = (_capital, _capital, _opposite, _sound, _next_in, _translation)


def fact_turn(rng: Random) -> Turn:
    if rng.random() < 0.45:
        turn = topic_turn(rng, rng.choice(GENERAL))
        return Turn(roughen(rng, turn.user), turn.answer, turn.key, turn.accepts)
    question, answer = rng.choice(_TABLES)(rng)
    return Turn(roughen(rng, question), answer, plain(question), (answer,))
