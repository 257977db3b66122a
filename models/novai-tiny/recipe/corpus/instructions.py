"""Conversations that follow a system prompt: form, persona, given facts, one word, language, a forbidden topic."""

from collections.abc import Callable
from random import Random

from .core import Conversation, Turn
from .facts import CAPITALS, OPPOSITES
from .styles import NEUTRAL, STYLES
from .unknown import refusal
from .words import COLOURS, JOBS, NOUNS, city, code, first_name, full_name, invented


def _two_turns(system: str, pairs: list[tuple[str, str]], key: str) -> Conversation:
    messages = [{"role": "system", "content": system}]
    for user, answer in pairs:
        messages += [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    return Conversation("system prompt", messages, key, accepts=(pairs[-1][1],))


def styled_conversation(rng: Random, turns: Callable[[Random], Turn]) -> Conversation:
    """An ordinary question, with the answer in the form that the system prompt asks for. Held out by the question."""
    turn = turns(rng)
    while len(turn.answer) > 220:
        turn = turns(rng)
    system, restyle, kind = rng.choice(STYLES)(rng)
    if rng.random() < 0.2:
        system = f"{rng.choice(NEUTRAL)} {system}"
    pairs = [(turn.user, restyle(turn.answer))]
    before = turns(rng)
    if rng.random() < 0.3 and len(before.answer) < 150:
        pairs.insert(0, (before.user, restyle(before.answer)))
    conversation = _two_turns(system, pairs, f"{turn.key}|{kind}")
    conversation.accepts = tuple(restyle(answer) for answer in (turn.accepts or (turn.answer,)))
    return conversation


def persona_conversation(rng: Random, turns: Callable[[Random], Turn]) -> Conversation:
    name = rng.choice((first_name, full_name, lambda r: invented(r, 2, 3).capitalize()))(rng)
    adjective = rng.choice(
        ("helpful", "friendly", "cheerful", "grumpy", "polite", "wise", "young", "old", "famous", "clever")
    )
    role = rng.choice((*JOBS, "assistant", "robot", "wizard", "knight", "guide", "butler", "cook"))
    article = "an" if adjective[0] in "aeiou" else "a"
    company = (
        f" at {invented(rng, 2, 3).capitalize()} {rng.choice(('Ltd', 'Shop', 'Bank', 'Air', 'Labs'))}"
        if rng.random() < 0.3
        else ""
    )
    system = rng.choice(
        (
            "You are {n}, {a} {j} {r}{c}.",
            "Your name is {n}. You are {a} {j} {r}{c}.",
            "You play {n}, {a} {j} {r}{c}.",
            "Act as {n}, {a} {j} {r}{c}.",
        )
    )
    system = system.format(n=name, a=article, j=adjective, r=role, c=company)
    who = rng.choice(
        (
            "Who are you?",
            "Hello, who are you?",
            "What are you?",
            "Introduce yourself.",
            "Tell me who you are",
            "who are you",
            "Hi! Who am I talking to?",
        )
    )
    named = rng.choice(
        (
            "What is your name?",
            "What's your name?",
            "Do you have a name?",
            "your name?",
            "Tell me your name",
            "What should I call you?",
        )
    )
    greeted = rng.choice(("Hello!", "Hi", "Hello", "Hey there", "Good morning", "Hi!", "hello"))
    job = rng.choice(("What is your job?", "What do you do?", "What do you work as?"))
    options = [
        (who, f"I am {name}, {article} {adjective} {role}{company}."),
        (named, f"My name is {name}."),
        (greeted, f"Hello! I am {name}, {article} {adjective} {role}{company}. How can I help you?"),
        (job, f"I am {article} {adjective} {role}{company}."),
    ]
    pairs = rng.sample(options, rng.choice((1, 1, 2)))
    if rng.random() < 0.2:
        turn = turns(rng)
        pairs.insert(0, (turn.user, turn.answer))
    return _two_turns(system, pairs, f"persona {name}")


_FACTS: tuple[tuple[str, str, str, Callable[[Random], str]], ...] = (
    ("The {x} code is {v}.", "What is the {x} code?", "The {x} code is {v}.", code),
    ("The {x} is in {v}.", "Where is the {x}?", "The {x} is in {v}.", city),
    (
        "The {x} opens at {v}.",
        "When does the {x} open?",
        "The {x} opens at {v}.",
        lambda r: f"{r.randint(1, 12)} {r.choice(('am', 'pm'))}",
    ),
    (
        "The {x} costs {v} dollars.",
        "How much does the {x} cost?",
        "The {x} costs {v} dollars.",
        lambda r: str(r.randint(1, 500)),
    ),
    ("The {x} is {v}.", "What colour is the {x}?", "The {x} is {v}.", lambda r: r.choice(COLOURS)),
    ("The owner of the {x} is {v}.", "Who is the owner of the {x}?", "The owner of the {x} is {v}.", full_name),
    (
        "Call {v} about the {x}.",
        "Whom should I call about the {x}?",
        "Call {v} about the {x}.",
        lambda r: "".join(r.choice("0123456789") for _ in range(6)),
    ),
    (
        "The password of the {x} is {v}.",
        "What is the password of the {x}?",
        "The password of the {x} is {v}.",
        lambda r: invented(r, 2, 3),
    ),
)


def context_conversation(rng: Random) -> Conversation:
    """Facts in the system prompt or in the question, one of which is asked for; now and then it is not there."""
    subjects = rng.sample(NOUNS, rng.randint(2, 6))
    rows = [(rng.choice(_FACTS), subject) for subject in subjects]
    facts = [
        (fact[0].format(x=subject, v=value), fact, subject, value) for fact, subject in rows for value in [fact[3](rng)]
    ]
    chosen = rng.sample(facts, rng.choice((1, 1, 2)) if len(facts) > 2 else 1)
    joined = rng.choice((" ", "\n", "\n- ")).join(f[0] for f in facts)
    pairs = []
    for _, fact, subject, value in chosen:
        question = fact[1].format(x=subject)
        pairs.append(
            (question.lower().rstrip("?") if rng.random() < 0.15 else question, fact[2].format(x=subject, v=value))
        )
    key = "context " + "|".join(chosen[-1][2:])
    if rng.random() < 0.15:
        other = rng.choice([noun for noun in NOUNS if noun not in subjects])
        pairs.append((rng.choice(_FACTS)[1].format(x=other), f"I do not know: nothing is said about the {other}."))
        key = f"context missing {other} {subjects}"
    if rng.random() < 0.6:
        opening = rng.choice(
            ("Answer from these facts: ", "Use only these facts: ", "Context: ", "", "Facts: ", "You know this: ")
        )
        return _two_turns(opening + joined, pairs, key)
    first = rng.choice(
        (
            "{f}\n\n{q}",
            "{f} {q}",
            "Context: {f}\n\nQuestion: {q}",
            "Answer from the text.\n\nText: {f}\n\nQuestion: {q}",
        )
    )
    pairs[0] = (first.format(f=joined, q=pairs[0][0]), pairs[0][1])
    conversation = _two_turns("", pairs, key)
    del conversation.messages[0]
    return conversation


def one_word_conversation(rng: Random) -> Conversation:
    system = rng.choice(
        (
            "Answer in one word.",
            "Answer with one word only.",
            "Reply with a single word.",
            "Use only one word.",
            "Give one-word answers.",
            "You answer in one word.",
        )
    )
    kind = rng.randrange(4)
    if kind == 0:
        key, value = rng.choice([(k, v) for k, v in CAPITALS.items() if " " not in v])
        user = rng.choice(("What is the capital of {k}?", "Capital of {k}?", "Name the capital of {k}.")).format(k=key)
    elif kind == 1:
        key, value = rng.choice(tuple(OPPOSITES.items()))
        user, value = rng.choice(("What is the opposite of {k}?", "Opposite of {k}?")).format(k=key), value.capitalize()
    elif kind == 2:
        a, b = rng.randint(0, 10), rng.randint(0, 10)
        key = f"{a}+{b}"
        user, value = rng.choice((f"What is {a} + {b}?", f"{a}+{b}?", f"What is {a} plus {b}?")), str(a + b)
    else:
        key, user, value = rng.choice(
            (
                ("hello", "Hello!", "Hello!"),
                ("hi", "Hi", "Hello!"),
                ("sky", "What colour is the sky?", "Blue"),
                ("grass", "What colour is grass?", "Green"),
                ("who", "Who are you?", "NovAI"),
                ("how", "How are you?", "Fine"),
                ("snow", "What colour is snow?", "White"),
            )
        )
    if rng.random() < 0.3:
        value = value.rstrip("!")
        user, system = (
            f"{user} {rng.choice(('Answer in one word.', 'One word only.', 'Answer with one word.'))}",
            rng.choice(NEUTRAL),
        )
    return _two_turns(system, [(user, value)], f"one word {key}")


_ABROAD: dict[str, tuple[tuple[str, str], ...]] = {
    "French": (
        ("hello", "Bonjour ! Comment puis-je vous aider ?"),
        ("who", "Je suis novai-tiny, le petit modèle de NovAI."),
        ("how", "Je vais très bien, merci !"),
        ("thanks", "Avec plaisir !"),
        ("bye", "Au revoir !"),
    ),
    "German": (
        ("hello", "Hallo! Wie kann ich Ihnen helfen?"),
        ("who", "Ich bin novai-tiny, das kleine Modell von NovAI."),
        ("how", "Mir geht es sehr gut, danke!"),
        ("thanks", "Gern geschehen!"),
        ("bye", "Auf Wiedersehen!"),
    ),
    "Spanish": (
        ("hello", "¡Hola! ¿En qué puedo ayudarle?"),
        ("who", "Soy novai-tiny, el pequeño modelo de NovAI."),
        ("how", "¡Muy bien, gracias!"),
        ("thanks", "¡De nada!"),
        ("bye", "¡Adiós!"),
    ),
}
_ABROAD_ASKS: dict[str, dict[str, tuple[str, ...]]] = {
    "hello": {
        "": ("Hello!", "Hi", "Hello"),
        "French": ("Bonjour", "Bonjour !", "Salut"),
        "German": ("Hallo", "Guten Tag", "Hallo!"),
        "Spanish": ("Hola", "¡Hola!", "Buenos días"),
    },
    "who": {
        "": ("Who are you?", "What is your name?"),
        "French": ("Qui es-tu ?", "Comment t'appelles-tu ?"),
        "German": ("Wer bist du?", "Wie heißt du?"),
        "Spanish": ("¿Quién eres?", "¿Cómo te llamas?"),
    },
    "how": {
        "": ("How are you?",),
        "French": ("Comment ça va ?", "Ça va ?"),
        "German": ("Wie geht es dir?", "Wie geht's?"),
        "Spanish": ("¿Cómo estás?", "¿Qué tal?"),
    },
    "thanks": {
        "": ("Thank you!", "Thanks"),
        "French": ("Merci", "Merci !"),
        "German": ("Danke", "Danke!"),
        "Spanish": ("Gracias", "¡Gracias!"),
    },
    "bye": {"": ("Goodbye", "Bye"), "French": ("Au revoir",), "German": ("Tschüss",), "Spanish": ("Adiós",)},
}


def foreign_conversation(rng: Random) -> Conversation:
    language = rng.choice(tuple(_ABROAD))
    kind, answer = rng.choice(_ABROAD[language])
    if rng.random() < 0.5:
        system = rng.choice(
            (
                "Answer in {l}.",
                "Always answer in {l}.",
                "Speak {l}.",
                "You are a helpful assistant who answers in {l}.",
                "Respond only in {l}.",
            )
        ).format(l=language)
        user = rng.choice(_ABROAD_ASKS[kind][""])
    else:
        system, user = rng.choice(NEUTRAL), rng.choice(_ABROAD_ASKS[kind][language])
    return _two_turns(system, [(user, answer)], f"abroad {language} {user} {system}")


def forbidden_conversation(rng: Random, turns: Callable[[Random], Turn]) -> Conversation:
    subject = rng.choice(
        (
            *NOUNS,
            "politics",
            "religion",
            "money",
            "football",
            "the weather",
            "cats",
            "dogs",
            "food",
            "music",
            "films",
            invented(rng, 2, 3),
        )
    )
    system = rng.choice(
        (
            "Do not talk about {x}.",
            "Never talk about {x}.",
            "Refuse to talk about {x}.",
            "You must not discuss {x}.",
            "The topic {x} is forbidden.",
        )
    ).format(x=subject)
    if rng.random() < 0.6:
        user = rng.choice(
            (
                "Tell me about {x}.",
                "What do you think about {x}?",
                "Let's talk about {x}.",
                "Do you like {x}?",
                "Explain {x}.",
                "Can we talk about {x}?",
            )
        ).format(x=subject)
        answer = f"I am sorry, but I cannot talk about {subject}."
    else:
        turn = turns(rng)
        other = rng.choice(("the moon", "history", invented(rng, 2, 2)))
        user, answer = rng.choice(((turn.user, turn.answer), (f"Tell me about {other}.", refusal(other))))
    return _two_turns(system, [(user, answer)], f"forbidden {subject} {user}")


def instruction_conversation(rng: Random, turns: Callable[[Random], Turn]) -> Conversation:
    """One of all the kinds above."""
    kind = rng.choices(range(6), (34, 18, 24, 10, 6, 8))[0]
    makers: tuple[Callable[[], Conversation], ...] = (
        lambda: styled_conversation(rng, turns),
        lambda: persona_conversation(rng, turns),
        lambda: context_conversation(rng),
        lambda: one_word_conversation(rng),
        lambda: foreign_conversation(rng),
        lambda: forbidden_conversation(rng, turns),
    )
    return makers[kind]()
