"""Greetings, manners, feelings, and questions about the model itself."""

from random import Random

from .core import Turn, load_topics, topic_turn
from .roughen import roughen

TOPICS = load_topics("small_talk")
# Greetings come first in the table and first in a chat.
_WEIGHTS = [8, 3, 2, 2] + [1] * (len(TOPICS) - 4)


def smalltalk_turn(rng: Random) -> Turn:
    turn = topic_turn(rng, rng.choices(TOPICS, _WEIGHTS)[0])
    return Turn(roughen(rng, turn.user, openers=turn.user.endswith("?")), turn.answer, turn.key, turn.accepts)
