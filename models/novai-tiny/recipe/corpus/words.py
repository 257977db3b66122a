"""Names, places and things for the generators, and invented words, so that copying is learned and not the list."""

import re
import tomllib
from pathlib import Path
from random import Random

_TOPICS = Path(__file__).parent / "topics"
_LISTS: dict[str, str] = tomllib.loads((_TOPICS / "words.toml").read_text())
# Every word of every table.
VOCABULARY = tuple(sorted({word for file in _TOPICS.iterdir() for word in re.findall("[A-Za-z]+", file.read_text())}))
# The letters of other scripts, Chinese most often.
_SCRIPTS = (
    *[("一", "龥")] * 4,
    *[("ぁ", "ん")] * 2,
    ("ァ", "ヶ"),
    ("가", "힣"),
    ("А", "я"),
    ("α", "ω"),
    ("א", "ת"),
    ("ء", "ي"),
    ("अ", "ह"),
    ("à", "ÿ"),
)


def word_list(name: str) -> tuple[str, ...]:
    """The list of that name in ``topics/words.toml``."""
    return tuple(" ".join(word.split()) for word in _LISTS[name].split(","))


FIRST_NAMES = word_list("first_names")
LAST_NAMES = word_list("last_names")
CITIES = word_list("cities")
JOBS = word_list("jobs")
ITEMS = word_list("items")
ANIMALS = word_list("animals")
COLOURS = word_list("colours")
DAYS = word_list("days")
MONTHS = word_list("months")
NOUNS = word_list("nouns")
VERBS = word_list("verbs")
ADJECTIVES = word_list("adjectives")
_ONSETS = (
    "b",
    "br",
    "c",
    "ch",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "qu",
    "r",
    "s",
    "sh",
    "sk",
    "st",
    "t",
    "th",
    "tr",
    "v",
    "w",
    "x",
    "y",
    "z",
    "",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "oo", "ou", "y")
_ENDS = ("", "", "n", "r", "s", "t", "l", "m", "x", "ck", "nd", "sh", "p", "d", "g")


def invented(rng: Random, low: int = 1, high: int = 3) -> str:
    """A pronounceable word that means nothing."""
    syllables = rng.randint(low, high)
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_ENDS) for _ in range(syllables))


def scripted(rng: Random) -> str:
    """Some letters of another script."""
    first, last = rng.choice(_SCRIPTS)
    return "".join(chr(rng.randint(ord(first), ord(last))) for _ in range(rng.randint(2, 6)))


def first_name(rng: Random) -> str:
    if rng.random() < 0.06:
        return scripted(rng)
    return invented(rng, 2, 3).capitalize() if rng.random() < 0.25 else rng.choice(FIRST_NAMES)


def full_name(rng: Random) -> str:
    return f"{first_name(rng)} {rng.choice(LAST_NAMES)}"


def city(rng: Random) -> str:
    return invented(rng, 2, 3).capitalize() if rng.random() < 0.2 else rng.choice(CITIES)


def thing(rng: Random) -> str:
    """Any noun-like word, often an uncommon one."""
    draw = rng.random()
    if draw < 0.3:
        return invented(rng, 2, 3)
    return rng.choice(NOUNS if draw < 0.7 else ANIMALS)


def title(rng: Random) -> str:
    """The name of a company, a file, a project: one to three words of any kind."""
    if rng.random() < 0.3:
        return scripted(rng)
    words = [rng.choice((thing, first_name, city, invented))(rng) for _ in range(rng.choice((1, 2, 2, 3)))]
    return " ".join(words).title() if rng.random() < 0.6 else " ".join(words)


def code(rng: Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.randint(0, 3)))
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(2, 5)))
    return f"{letters}-{digits}" if letters and rng.random() < 0.5 else letters + digits


def clause(rng: Random) -> str:
    """A short sentence without a full stop."""
    form = rng.randrange(4)
    if form == 0:
        return f"the {rng.choice(ADJECTIVES)} {thing(rng)} {rng.choice(VERBS)}"
    if form == 1:
        return f"{first_name(rng)} {rng.choice(VERBS)} in {city(rng)}"
    if form == 2:
        return f"a {thing(rng)} and a {rng.choice(COLOURS)} {thing(rng)}"
    return " ".join(thing(rng) for _ in range(rng.randint(1, 6)))
