"""The generated conversations: ``conversation(rng, held_out)`` draws one of the mixture."""

from .core import Conversation, Message, ToolSchema, as_json
from .drills import drill
from .mixture import SKILLS, conversation, conversation_of, first_question

__all__ = [
    "SKILLS",
    "Conversation",
    "Message",
    "ToolSchema",
    "as_json",
    "conversation",
    "conversation_of",
    "drill",
    "first_question",
]
