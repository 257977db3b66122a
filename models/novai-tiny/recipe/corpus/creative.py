"""Jokes, poems, stories, short programs, and saying exactly what one is told to say."""

from pathlib import Path
from random import Random

from .core import Turn, expand, load_topics, plain, topic_turn, with_article
from .roughen import roughen
from .words import ADJECTIVES, ANIMALS, clause, code, first_name, invented, thing

FIXED = load_topics("creative")
# Jokes and poems come first in the table.
_FIXED_WEIGHTS = [6, 4] + [1] * (len(FIXED) - 2)

_STORY_ASKS = (
    "Tell me a story about {x}.",
    "Write a story about {x}.",
    "Tell me a long story about {x}",
    "Write a short story about {x}.",
    "Can you tell me a story about {x}?",
    "I want a story about {x}.",
    "Write a tale about {x}",
    "Please write a story about {x}.",
    "Tell a story about {x}.",
    "A story about {x} please",
)
_PLAIN_STORY_ASKS = (
    "Tell me a story{|.|!| please}",
    "Write {me |}a {short |long |}story{|.|!}",
    "{Can|Could} you tell me a {long |short |bedtime |}story?",
    "Tell me a {long|bedtime|short|nice|good|very long} story{|.}",
    "I want to hear a story{|.}",
    "Once upon a time",
    "Tell a story{|.}",
    "Story{| please|!}",
    "Write a story of 200 words{|.}",
    "Tell me a fairy tale{|.}",
)


_STORY = (Path(__file__).parent / "topics" / "story.txt").read_text().rstrip("\n")


def story(hero: str, name: str) -> str:
    """About two hundred tokens, long enough to watch a stream."""
    return _STORY.format(a_hero=with_article(hero), hero=hero, name=name)


def _story(rng: Random) -> Turn:
    if rng.random() < 0.5:
        question = expand(rng, rng.choice(_PLAIN_STORY_ASKS))
        answer = story("fox", "Milo")
        return Turn(roughen(rng, question), answer, plain(question), (answer,))
    hero = (
        f"{rng.choice(ADJECTIVES)} {rng.choice(ANIMALS)}"
        if rng.random() < 0.3
        else rng.choice((thing(rng), rng.choice(ANIMALS)))
    )
    question = rng.choice(_STORY_ASKS).format(x=with_article(hero))
    if rng.random() < 0.3:
        name = first_name(rng)
        question = rng.choice(
            (
                f"Tell me a story about {with_article(hero)} named {name}.",
                f"Write a story about {with_article(hero)} called {name}.",
            )
        )
        return Turn(question, story(hero, name), f"story {hero}", (story(hero, name),))
    return Turn(question, story(hero, "Milo"), f"story {hero}", (story(hero, "Milo"),))


def _poem(rng: Random) -> Turn:
    subject = thing(rng)
    kind = rng.choice(("poem", "short poem", "haiku"))
    question = rng.choice(
        (
            "Write a {k} about {x}.",
            "Write me a {k} about {x}",
            "Can you write a {k} about {x}?",
            "A {k} about {x} please",
            "Give me a {k} about {x}.",
        )
    ).format(k=kind, x=rng.choice((with_article(subject), f"the {subject}")))
    if kind == "haiku":
        answer = f"{with_article(subject).capitalize()} at dawn,\nquiet in the early light.\nThe day can begin."
    else:
        answer = (
            f"O {subject}, so quiet, so bright,\nyou shine like a star in the night.\nI sing you this song,\n"
            "it is not very long,\nbut I hope that the rhyme is all right."
        )
    return Turn(question, answer, f"poem {kind} {subject}", (answer,))


_SAY = (
    "Say {x}",
    "Say: {x}",
    'Say "{x}"',
    "Say '{x}'",
    "Repeat after me: {x}",
    "repeat after me: {x}",
    "Repeat: {x}",
    'Repeat "{x}"',
    "Please repeat: {x}",
    "Echo: {x}",
    "echo {x}",
    "Reply with exactly: {x}",
    "Respond with exactly: {x}",
    "Reply with: {x}",
    "Answer with exactly: {x}",
    'Reply with "{x}"',
    "Respond with {x}",
    "Just say {x}",
    "Only say {x}",
    "Write: {x}",
    'Write "{x}"',
    "Repeat this sentence: {x}",
    "Copy this text: {x}",
    "Print {x}",
    "Reply only with {x}",
    "Output exactly: {x}",
    'Repeat the following: "{x}"',
    "Type {x}",
    "Can you say {x}",
    "Reply with the word {x}",
    "Repeat the following text:\n{x}",
    "Please say {x}",
    "Respond with just {x}",
    "Reply with the single word {x}",
    "Say only {x}",
    "Say just {x}",
    "Answer only with {x}",
    "please repeat after me: {x}",
)
_SAID = (
    "hi",
    "hello",
    "Hi!",
    "Hello!",
    "yes",
    "no",
    "OK",
    "ok",
    "test",
    "This is a test.",
    "this is a test",
    "This is a test",
    "pong",
    "hello world",
    "Hello, world!",
    "foo",
    "bar",
    "done",
    "cheese",
    "something",
    "ping",
    "banana",
    "I am a robot",
    "good morning",
    "thank you",
    "hi there",
    "Hello world",
    "one two three",
    "1 2 3",
    "abc",
    "A",
    "42",
    "héllo wörld",
    "👍",
    "🙂",
    "ÄÖÜ",
)


def copied_text(rng: Random) -> str:
    draw = rng.random()
    if draw < 0.25:
        return rng.choice(_SAID)
    if draw < 0.4:
        return invented(rng, 1, 3)
    if draw < 0.5:
        return code(rng)
    text = clause(rng)
    if rng.random() < 0.5:
        text = text[:1].upper() + text[1:] + rng.choice((".", "!", "", "?"))
    return text


def copying_turn(rng: Random) -> Turn:
    text = copied_text(rng)
    question = rng.choice(_SAY).format(x=text)
    return Turn(question, text, f"say {plain(text)}" if text not in _SAID else plain(question), (text,))


def creative_turn(rng: Random) -> Turn:
    draw = rng.random()
    if draw < 0.1:
        return _story(rng)
    if draw < 0.25:
        return _poem(rng)
    turn = topic_turn(rng, rng.choices(FIXED, _FIXED_WEIGHTS)[0])
    return Turn(roughen(rng, turn.user), turn.answer, turn.key, turn.accepts)
