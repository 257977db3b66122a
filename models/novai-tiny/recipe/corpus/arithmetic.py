"""Small sums, in digits and in words, comparisons and counting."""

from random import Random

from .core import Turn, plain
from .roughen import roughen
from .words import ITEMS, first_name, word_list

_ONES = word_list("number_names")
_TENS = ("", "", *word_list("tens"))

_ASKS = (
    "What is {e}?",
    "What's {e}?",
    "{e}",
    "{e} = ?",
    "{e}=",
    "{e}?",
    "How much is {e}?",
    "Calculate {e}.",
    "Compute {e}",
    "Can you calculate {e}?",
    "Please calculate {e}.",
    "Tell me what {e} is.",
    "What does {e} equal?",
    "Solve {e}",
    "What is the result of {e}?",
    "Do you know what {e} is?",
    "Work out {e}.",
    "Give me the result of {e}.",
)
_SIGNS = {
    "+": (" + ", "+", " plus ", " + ", " + "),
    "-": (" - ", "-", " minus ", " - ", " - "),
    "*": (" * ", "*", " times ", " x ", " × ", " multiplied by "),
}
_STORIES = (
    ("{n} has {a} {t} and gets {b} more. How many {t} does {n} have{now}?", "+"),
    ("I have {a} {t} and buy {b} more. How many {t} do I have{now}?", "+"),
    ("There are {a} {t} in a box and {b} {t} on the table. How many {t} are there?", "+"),
    ("{n} has {a} {t} and gives {b} away. How many {t} does {n} have{now}?", "-"),
    ("I had {a} {t} and lost {b}. How many {t} are left?", "-"),
    ("There are {a} boxes with {b} {t} each. How many {t} are there?", "*"),
)


def in_words(number: int) -> str:
    """The English name of a number from 0 to 999."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    rest = number % 100
    return f"{_ONES[number // 100]} hundred" + (f" and {in_words(rest)}" if rest else "")


def _operands(rng: Random) -> tuple[int, str, int, int]:
    sign = rng.choices("+-*", (50, 28, 22))[0]
    if sign == "*":
        a, b = rng.randint(0, 10), rng.randint(0, 10)
        return a, sign, b, a * b
    top = rng.choices((10, 20, 100), (48, 40, 12))[0]
    a, b = rng.randint(0, top), rng.randint(0, top)
    if sign == "-":
        a, b = max(a, b), min(a, b)
        return a, sign, b, a - b
    return a, sign, b, a + b


def _sum(rng: Random) -> Turn:
    a, sign, b, result = _operands(rng)
    shown = rng.choice(_SIGNS[sign])
    key = f"sum {a}{sign}{b}"
    if rng.random() < 0.15:
        expression = f"{in_words(a)}{_SIGNS[sign][2]}{in_words(b)}"
        answer = f"{in_words(a)}{_SIGNS[sign][2]}{in_words(b)} is {in_words(result)}.".capitalize()
    else:
        expression = f"{a}{shown}{b}"
        answer = f"{a} {sign} {b} = {result}"
    question = roughen(rng, rng.choice(_ASKS).format(e=expression))
    return Turn(question, answer, key, (answer,))


def _story(rng: Random) -> Turn:
    pattern, sign = rng.choice(_STORIES)
    a, b = rng.randint(1, 20), rng.randint(1, 20)
    if sign == "-":
        a, b = max(a, b), min(a, b)
    if sign == "*":
        a, b = rng.randint(2, 10), rng.randint(2, 10)
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    thing = rng.choice(ITEMS)
    user = pattern.format(n=first_name(rng), a=a, b=b, t=thing, now=rng.choice(("", " now")))
    answer = f"{a} {sign} {b} = {result}, so the answer is {result} {thing}."
    return Turn(user, answer, f"sum {a}{sign}{b}", (answer,))


def _comparison(rng: Random) -> Turn:
    a, b = rng.sample(range(100), 2)
    larger = rng.random() < 0.6
    word = rng.choice(("bigger", "larger", "greater") if larger else ("smaller", "less"))
    question = rng.choice(
        (f"Which is {word}, {a} or {b}?", f"Which number is {word}: {a} or {b}?", f"What is {word}, {a} or {b}?")
    )
    answer = f"{max(a, b) if larger else min(a, b)} is {word}."
    return Turn(roughen(rng, question), answer, f"compare {a} {b}", (answer,))


def _parity(rng: Random) -> Turn:
    a = rng.randrange(200)
    question = rng.choice(
        (f"Is {a} even or odd?", f"Is {a} an even number?", f"Is {a} odd?", f"Is the number {a} odd or even?")
    )
    answer = f"{a} is {'odd' if a % 2 else 'even'}."
    return Turn(roughen(rng, question), answer, f"parity {a}", (answer,))


def _counting(rng: Random) -> Turn:
    end = rng.choices(range(1, 31), [3] * 3 + [10] * 2 + [4] * 4 + [10] + [2] * 20)[0]
    start = 1
    shown = rng.choice((str(end), in_words(end)))
    question = rng.choice(
        (
            "Count to {n}",
            "Count to {n}.",
            "Count from 1 to {n}.",
            "Can you count to {n}?",
            "Please count to {n}.",
            "Count up to {n}",
            "Count from one to {n}",
            "Write the numbers from 1 to {n}.",
            "List the numbers 1 to {n}.",
            "count 1 to {n}",
            "Count to {n} please",
        )
    )
    numbers = list(range(start, end + 1))
    if rng.random() < 0.15:
        question = rng.choice(("Count down from {n}.", "Count backwards from {n}", "Countdown from {n}"))
        numbers.reverse()
    question = question.format(n=shown)
    answer = ", ".join(map(str, numbers)) + "."
    return Turn(roughen(rng, question), answer, plain(question), (answer,))


def arithmetic_turn(rng: Random) -> Turn:
    maker = rng.choices((_sum, _story, _comparison, _parity, _counting), (66, 10, 8, 6, 10))[0]
    return maker(rng)
