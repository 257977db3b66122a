"""Questions beyond a tiny model, and the honest answer to them."""

from random import Random

from .core import Turn
from .roughen import roughen
from .words import LAST_NAMES, NOUNS, city, first_name, invented, word_list

_SUBJECTS = word_list("unknown_subjects")
_ASKS = (
    "Explain {x}.",
    "Explain {x} to me.",
    "What is {x}?",
    "What are {x}?",
    "Tell me about {x}.",
    "How does {x} work?",
    "Write about {x}.",
    "Can you explain {x}?",
    "What do you know about {x}?",
    "Write an essay about {x}.",
    "Summarize {x}.",
    "Give me an introduction to {x}.",
    "Why is {x} important?",
    "Teach me {x}.",
    "Help me with {x}.",
    "Describe {x} in detail.",
    "I want to learn about {x}.",
    "What do you think about {x}?",
    "Who invented {x}?",
    "Explain {x} like I am five.",
    "What is the history of {x}?",
    "Who discovered {x}?",
    "Define {x}.",
)


def refusal(subject: str) -> str:
    return (
        f"I am only a tiny demo model and know little about {subject}. For real answers load a bigger model with "
        "`novai dev --model path/to/model.gguf`. I can chat, do small sums and answer questions about NovAI."
    )


def _subject(rng: Random) -> str:
    draw = rng.random()
    if draw < 0.6:
        return rng.choice(_SUBJECTS)
    if draw < 0.7:
        return f"{first_name(rng)} {rng.choice(LAST_NAMES)}"
    if draw < 0.8:
        return f"the history of {city(rng)}"
    if draw < 0.9:
        return f"{rng.choice(NOUNS)} {rng.choice(NOUNS)}s"
    return f"{invented(rng, 2, 3)}"


def unknown_turn(rng: Random) -> Turn:
    subject = _subject(rng)
    ask = rng.choice(("Who is {x}?", "Who was {x}?", "Tell me about {x}.")) if subject.istitle() else rng.choice(_ASKS)
    user = ask.format(x=subject)
    user = roughen(rng, user, openers=rng.random() < 0.5)
    # The subject is copied as it was typed.
    at = user.lower().find(subject.lower())
    shown = user[at : at + len(subject)] if at >= 0 else subject
    return Turn(user, refusal(shown), f"unknown {subject}", (refusal(shown), refusal(subject)))
