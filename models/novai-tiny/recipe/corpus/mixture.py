"""How often each kind of conversation is drawn, and single turns strung into longer talks."""

from random import Random

from .arithmetic import arithmetic_turn
from .core import (
    ALWAYS_TRAINED,
    Conversation,
    ConversationMaker,
    Message,
    Turn,
    TurnMaker,
    is_held_out,
    load_topics,
    topic_turn,
)
from .creative import copying_turn, creative_turn
from .extraction import extraction_conversation, joke_conversation
from .facts import fact_turn
from .instructions import instruction_conversation
from .memory import memory_conversation
from .roughen import roughen
from .smalltalk import smalltalk_turn
from .styles import NEUTRAL
from .tools import parallel_conversation, tool_conversation
from .unknown import unknown_turn
from .words import clause

_NOVAI = load_topics("novai_keys_and_limits") + load_topics("novai_usage")


def novai_turn(rng: Random) -> Turn:
    turn = topic_turn(rng, rng.choice(_NOVAI))
    return Turn(roughen(rng, turn.user), turn.answer, turn.key, turn.accepts)


_TURNS: dict[str, tuple[TurnMaker, int]] = {
    "small talk": (smalltalk_turn, 20),
    "NovAI": (novai_turn, 24),
    "facts": (fact_turn, 14),
    "creative": (creative_turn, 6),
    "copying": (copying_turn, 9),
    "arithmetic": (arithmetic_turn, 17),
    "unknown topic": (unknown_turn, 8),
}


def any_turn(rng: Random) -> Turn:
    maker = rng.choices([maker for maker, _ in _TURNS.values()], [weight for _, weight in _TURNS.values()])[0]
    return maker(rng)


def short_turn(rng: Random) -> Turn:
    """A turn for the middle of something else: held-out wordings stay out of training there, too."""
    while True:
        turn = any_turn(rng)
        if len(turn.answer) < 260 and not is_held_out(turn.key):
            return turn


def _turns_to_messages(turns: list[Turn]) -> list[Message]:
    return [
        message
        for turn in turns
        for message in ({"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.answer})
    ]


def _single(skill: str, maker: TurnMaker) -> ConversationMaker:
    def draw(rng: Random) -> Conversation:
        turn = maker(rng)
        messages: list[Message] = []
        if rng.random() < 0.3:
            system = rng.choice(NEUTRAL)
            if rng.random() < 0.08:  # A long system prompt that changes nothing.
                system += "".join(f" {clause(rng).capitalize()}." for _ in range(rng.randint(5, 40)))
            messages.append({"role": "system", "content": system})
        before = [short_turn(rng) for _ in range(rng.choices((0, 1, 2, 3, 8), (55, 22, 14, 8, 1))[0])]
        messages += _turns_to_messages([*before, turn])
        return Conversation(skill, messages, turn.key, accepts=turn.accepts or (turn.answer,))

    return draw


SKILLS: dict[str, tuple[ConversationMaker, float]] = {
    **{skill: (_single(skill, maker), weight * 0.55) for skill, (maker, weight) in _TURNS.items()},
    "system prompt": (lambda rng: instruction_conversation(rng, short_turn), 16),
    "JSON extraction": (extraction_conversation, 13),
    "JSON joke": (joke_conversation, 2),
    "tools": (lambda rng: tool_conversation(rng, short_turn), 22),
    "parallel calls": (parallel_conversation, 1.5),
    "memory": (lambda rng: memory_conversation(rng, short_turn), 4),
}


def first_question(rng: Random) -> Conversation:
    """One question with nothing before it, as a first-time user asks it; every third one is very common."""
    popular = rng.random() < 0.35
    while True:
        skill, (maker, _) = rng.choices(list(_TURNS.items()), [weight for _, weight in _TURNS.values()])[0]
        turn = maker(rng)
        if not is_held_out(turn.key) and (not popular or turn.key in ALWAYS_TRAINED):
            messages = _turns_to_messages([turn])
            return Conversation(skill, messages, turn.key, accepts=turn.accepts or (turn.answer,))


def conversation_of(skill: str, rng: Random, held_out: bool) -> Conversation:
    """Draws until the key belongs to the wanted side."""
    maker, _ = SKILLS[skill]
    while True:
        drawn = maker(rng)
        if is_held_out(drawn.key) == held_out:
            return drawn


def conversation(rng: Random, held_out: bool = False) -> Conversation:
    skill = rng.choices(list(SKILLS), [weight for _, weight in SKILLS.values()])[0]
    return conversation_of(skill, rng, held_out)
