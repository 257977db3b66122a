"""System prompts that change nothing, and system prompts that change the form of every answer."""

from collections.abc import Callable
from random import Random

from .core import as_json
from .words import invented, thing

NEUTRAL = (
    "You are a helpful assistant.",
    "You are a helpful, respectful and honest assistant.",
    "You are a friendly assistant.",
    "You are an AI assistant.",
    "You are NovAI, a helpful assistant.",
    "Be helpful.",
    "You are a helpful assistant. Answer the user's questions.",
    "You are a concise assistant.",
    "Answer briefly.",
    "You are a chatbot.",
    "Help the user.",
    "You are a helpful AI assistant. Be polite and concise.",
    "Answer as well as you can.",
    "You are an expert assistant.",
    "Be polite.",
)

Restyle = Callable[[str], str]
Style = tuple[str, Restyle, str]  # system prompt, what it does to an answer, key


def _upper(rng: Random) -> Style:
    system = rng.choice(
        (
            "Answer in upper case.",
            "Always answer in upper case.",
            "Write everything in capital letters.",
            "ANSWER IN UPPERCASE ONLY.",
            "You must answer in uppercase.",
            "Respond only in capital letters.",
            "Use upper case letters only.",
            "Shout: answer in all caps.",
        )
    )
    return system, str.upper, "upper"


def _lower(rng: Random) -> Style:
    system = rng.choice(
        (
            "Answer in lower case.",
            "Write everything in lower case.",
            "Use no capital letters.",
            "Respond only in lowercase.",
            "Always answer in lower case letters.",
        )
    )
    return system, str.lower, "lower"


def _tag(rng: Random) -> str:
    draw = rng.random()
    if draw < 0.3:
        return rng.choice(_TAGS)
    if draw < 0.6:
        return invented(rng, 1, 3)
    if draw < 0.8:
        return thing(rng)
    return f"{thing(rng).capitalize()} {thing(rng)}{rng.choice('.!')}"


_TAGS = (
    "Over and out.",
    "Have a nice day!",
    "Meow!",
    "🙂",
    "Amen.",
    "Cheers!",
    "THE END",
    "Beep boop.",
    "Arrr!",
    "***",
    "Best wishes, Bot",
    "Yours truly.",
    "Ho ho ho!",
    "😀",
    "[END]",
)


def _suffix(rng: Random) -> Style:
    tag = _tag(rng)
    system = rng.choice(
        (
            'Always end your answer with "{t}"',
            "End every answer with: {t}",
            "Always end with {t}",
            'Finish each reply with "{t}"',
            "End each message with '{t}'",
            "Always finish with {t}",
            'Every answer must end with "{t}"',
        )
    )
    return system.format(t=tag), lambda answer: f"{answer} {tag}", f"ends {tag}"


def _prefix(rng: Random) -> Style:
    tag = _tag(rng)
    system = rng.choice(
        (
            'Always start your answer with "{t}"',
            "Begin every answer with: {t}",
            "Always begin with {t}",
            'Start each reply with "{t}"',
            "Start each message with '{t}'",
            'Every answer must start with "{t}"',
        )
    )
    return system.format(t=tag), lambda answer: f"{tag} {answer}", f"starts {tag}"


def _pirate(rng: Random) -> Style:
    system = rng.choice(
        (
            "You are a pirate.",
            "Talk like a pirate.",
            "You are a pirate captain. Answer like one.",
            "Answer as a pirate.",
            "Speak like a pirate.",
            "You are a friendly pirate.",
        )
    )
    return system, lambda answer: f"Arrr, matey! {answer} Yo ho ho!", "pirate"


def _json_answer(rng: Random) -> Style:
    key = rng.choice(("answer", "reply", "text", "result", "response", "message"))
    system = rng.choice(
        (
            'Answer with a JSON object with the key "{k}".',
            'Respond in JSON: {{"{k}": "..."}}',
            'Always answer as JSON with one field "{k}".',
            "Reply with a JSON object that has the key {k}.",
        )
    )
    return system.format(k=key), lambda answer: as_json({key: answer}), f"json {key}"


STYLES: tuple[Callable[[Random], Style], ...] = (
    _upper,
    _upper,
    _lower,
    _suffix,
    _suffix,
    _prefix,
    _prefix,
    _pirate,
    _json_answer,
)
