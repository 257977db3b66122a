"""Facts that the user states in one turn and asks for in a later one."""

from collections.abc import Callable
from random import Random

from .core import Conversation, Turn
from .words import ANIMALS, COLOURS, JOBS, city, code, first_name, thing

_Told = tuple[tuple[str, ...], str, tuple[str, ...], str]

_FACTS: tuple[tuple[Callable[[Random], str], tuple[str, ...], str, tuple[str, ...], str], ...] = (
    (
        first_name,
        (
            "My name is {v}.",
            "I am {v}.",
            "Hi, I'm {v}",
            "Hello, my name is {v}!",
            "Call me {v}.",
            "I'm {v}, nice to meet you.",
        ),
        "Nice to meet you, {v}! How can I help you?",
        ("What is my name?", "What's my name?", "Do you remember my name?", "Who am I?", "What am I called?"),
        "Your name is {v}.",
    ),
    (
        city,
        ("I live in {v}.", "I am from {v}.", "I come from {v}", "My home is {v}."),
        "{v} sounds nice!",
        ("Where do I live?", "Where am I from?", "Which city do I live in?", "Where is my home?"),
        "You live in {v}.",
    ),
    (
        lambda rng: rng.choice(COLOURS),
        ("My favourite colour is {v}.", "My favorite color is {v}", "I like the colour {v}."),
        "{v} is a fine colour!",
        ("What is my favourite colour?", "What's my favorite color?", "Which colour do I like?"),
        "Your favourite colour is {v}.",
    ),
    (
        lambda rng: rng.choice(ANIMALS),
        ("I have a {v}.", "My pet is a {v}.", "I own a {v}"),
        "A {v}! That is lovely.",
        ("What pet do I have?", "What animal do I have?", "What is my pet?"),
        "You have a {v}.",
    ),
    (
        lambda rng: rng.choice(JOBS),
        ("I am a {v}.", "I work as a {v}.", "My job is {v}."),
        "Interesting! Being a {v} is good work.",
        ("What is my job?", "What do I do?", "What do I work as?"),
        "You work as a {v}.",
    ),
    (
        code,
        ("Remember this code: {v}", "The code is {v}.", "My number is {v}.", "Remember the number {v}."),
        "I will remember {v}.",
        ("What was the code?", "What is the code?", "What was my number?", "Which number should you remember?"),
        "It is {v}.",
    ),
    (
        thing,
        ("Remember the word {v}.", "The secret word is {v}.", "Keep this word in mind: {v}"),
        "I will remember the word {v}.",
        ("What was the word?", "What is the secret word?", "Which word should you remember?"),
        "The word is {v}.",
    ),
)


def memory_conversation(rng: Random, filler: Callable[[Random], Turn]) -> Conversation:
    maker, tells, reply, asks, answer = rng.choice(_FACTS)
    value = maker(rng)
    said = reply.format(v=value)
    messages = [
        {"role": "user", "content": rng.choice(tells).format(v=value)},
        {"role": "assistant", "content": said[:1].upper() + said[1:]},
    ]
    for _ in range(rng.choice((0, 0, 1, 2))):
        turn = filler(rng)
        messages += [{"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.answer}]
    final = answer.format(v=value)
    messages += [{"role": "user", "content": rng.choice(asks)}, {"role": "assistant", "content": final}]
    return Conversation("memory", messages, f"memory {value}", accepts=(final,))
