"""Questions as people type them: lower case, no full stop, a greeting in front, a slip of the finger."""

from random import Random

OPENERS = (
    "Hi, ",
    "Hello, ",
    "Hey, ",
    "Hi! ",
    "Hello! ",
    "Please, ",
    "OK, ",
    "So, ",
    "Quick question: ",
    "Question: ",
    "Can you help me? ",
    "I have a question. ",
    "Hey there, ",
    "Hmm, ",
    "Sorry, ",
    "Tell me, ",
    "Please tell me: ",
    "One more thing: ",
    "By the way, ",
    "Just wondering, ",
    "I am new here. ",
    "Excuse me, ",
    "Another question: ",
    "Thanks! ",
    "And ",
    "Now ",
    "I wonder, ",
)
CLOSERS = (" Thanks!", " Thank you.", " please", " Please.", " thanks", " :)", "!", "??", "...", "?!")


# What a hasty question leaves out.
_SMALL = frozenset(
    ("a", "an", "the", "do", "does", "i", "can", "to", "is", "are", "my", "your", "of", "for", "you", "me", "it")
)


def _hasty(rng: Random, text: str) -> str:
    words = text.split(" ")
    small = [at for at, word in enumerate(words) if word.lower() in _SMALL]
    if len(words) < 4 or not small:
        return text
    del words[rng.choice(small)]
    return " ".join(words)


def _slip(rng: Random, word: str) -> str:
    if len(word) < 4 or not word.isalpha():
        return word
    at = rng.randrange(1, len(word) - 1)
    return rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        )
    )


def roughen(rng: Random, text: str, openers: bool = True) -> str:
    """Keeps the sense of a question and varies its surface. Values to be copied should not go through here."""
    if openers and rng.random() < 0.12:
        text = rng.choice(OPENERS) + text[:1].lower() + text[1:]
    if openers and rng.random() < 0.08:
        text = text.rstrip("?.!") + rng.choice(CLOSERS)
    if rng.random() < 0.1:
        text = _hasty(rng, text)
    draw = rng.random()
    if draw < 0.22:
        text = text.lower()
    elif draw < 0.24:
        text = text.upper()
    if rng.random() < 0.2:
        text = text.rstrip("?.!")
    if rng.random() < 0.1:
        words = text.split(" ")
        at = rng.randrange(len(words))
        words[at] = _slip(rng, words[at])
        text = " ".join(words)
    return text
