"""A sentence and the JSON object that is in it."""

from collections.abc import Callable
from random import Random
from typing import Any

from .core import Conversation, as_json, load_topics
from .schemas import detailed
from .styles import NEUTRAL
from .words import (
    ANIMALS,
    COLOURS,
    DAYS,
    ITEMS,
    JOBS,
    MONTHS,
    VOCABULARY,
    city,
    code,
    first_name,
    full_name,
    thing,
    title,
)

Found = tuple[str, dict[str, Any]]


def _person(rng: Random) -> Found:
    name, age, home, job = rng.choice((first_name, full_name))(rng), rng.randint(5, 95), city(rng), rng.choice(JOBS)
    email = f"{name.split()[0].lower()}@{rng.choice(('example.com', 'mail.com', 'novai.dev', 'test.org'))}"
    forms: tuple[Found, ...] = (
        (f"{name} is {age} years old and lives in {home}.", {"name": name, "age": age, "city": home}),
        (f"My name is {name}, I am {age} and I live in {home}.", {"name": name, "age": age, "city": home}),
        (f"{name}, {age}, from {home}", {"name": name, "age": age, "city": home}),
        (f"{name} ({age}) works as a {job} in {home}.", {"name": name, "age": age, "job": job, "city": home}),
        (f"{name} is a {age}-year-old {job} from {home}.", {"name": name, "age": age, "job": job, "city": home}),
        (f"{name} is a {job}. You can reach {name.split()[0]} at {email}.", {"name": name, "job": job, "email": email}),
        (f"Write to {name} at {email}.", {"name": name, "email": email}),
        (f"{name} moved to {home} and works there as a {job}.", {"name": name, "city": home, "job": job}),
        (f"In {home} lives a {job} called {name}, aged {age}.", {"name": name, "age": age, "city": home, "job": job}),
    )
    return rng.choice(forms)


def _order(rng: Random) -> Found:
    name, item, quantity, price = first_name(rng), rng.choice(ITEMS), rng.randint(2, 60), rng.randint(1, 300)
    number, colour = code(rng), rng.choice(COLOURS)
    forms: tuple[Found, ...] = (
        (
            f"{name} ordered {quantity} {item} for {price} dollars.",
            {"customer": name, "item": item, "quantity": quantity, "price": price},
        ),
        (f"I would like to buy {quantity} {item}.", {"item": item, "quantity": quantity}),
        (
            f"Please send {quantity} {colour} {item} to {name}.",
            {"item": item, "quantity": quantity, "color": colour, "customer": name},
        ),
        (
            f"Order {number}: {quantity} {item}, {price} euros.",
            {"order_id": number, "item": item, "quantity": quantity, "price": price},
        ),
        (f"{name} bought {quantity} {item}.", {"customer": name, "item": item, "quantity": quantity}),
    )
    return rng.choice(forms)


def _event(rng: Random) -> Found:
    title, day, place = (
        f"{thing(rng)} {rng.choice(('party', 'meeting', 'lunch', 'concert', 'workshop', 'talk'))}",
        rng.choice(DAYS),
        city(rng),
    )
    time, date = (
        f"{rng.randint(0, 23):02d}:{rng.choice(('00', '15', '30', '45'))}",
        f"{rng.randint(1, 28)} {rng.choice(MONTHS)}",
    )
    forms: tuple[Found, ...] = (
        (f"The {title} is on {day} at {time} in {place}.", {"event": title, "day": day, "time": time, "place": place}),
        (f"Come to the {title} in {place} on {date}.", {"event": title, "date": date, "place": place}),
        (f"On {day} at {time} we have the {title}.", {"event": title, "day": day, "time": time}),
    )
    return rng.choice(forms)


def _basket(rng: Random) -> Found:
    rows = [{"item": item, "quantity": rng.randint(1, 30)} for item in rng.sample(ITEMS, rng.randint(2, 3))]
    parts = [f"{row['quantity']} {row['item']}" for row in rows]
    text = ", ".join(parts[:-1]) + f" and {parts[-1]}"
    return rng.choice((f"I want {text}.", f"Please order {text}.", f"The box holds {text}.", f"We need {text}.")), {
        "items": rows
    }


def _colours(rng: Random) -> Found:
    names = [first_name(rng) for _ in range(rng.randint(2, 4))]
    text = ", ".join(names[:-1]) + f" and {names[-1]}"
    return rng.choice((f"{text} came to dinner.", f"The team is {text}.", f"I met {text}.")), {"names": names}


def _anything(rng: Random) -> Found:
    """Keys of any name, and values of any kind."""
    keys = dict.fromkeys(rng.choice((thing(rng), rng.choice(VOCABULARY).lower())) for _ in range(rng.randint(1, 4)))
    value = {key: rng.choice((title, code, city, lambda rng: rng.randint(0, 999)))(rng) for key in keys}
    form = rng.choice(("The {k} is {v}", "{k}: {v}", "{k} = {v}", "its {k} is {v}"))
    text = rng.choice((", ", "; ", " and ")).join(form.format(k=key, v=one) for key, one in value.items())
    return f"{text}.", value


_KINDS: tuple[Callable[[Random], Found], ...] = (
    *[_person] * 3,
    *[_order] * 2,
    _event,
    _basket,
    _colours,
    *[_anything] * 3,
)
_ASKS = (
    "Extract {f} as JSON: {t}",
    "Extract {f} from this sentence as a JSON object.\n\n{t}",
    "Return a JSON object with the keys {f}: {t}",
    "{t}\n\nReturn JSON with {f}.",
    "Give me JSON with the fields {f}.\n\nText: {t}",
    "Turn this into JSON with {f}: {t}",
    "{t} Extract {f} as JSON.",
    "Convert to JSON ({f}): {t}",
    "Extract the {f} from the text. Answer with JSON only.\n\nText: {t}",
    "Write the {f} as a JSON object: {t}",
)
_FREE_ASKS = (
    "Extract the data as JSON: {t}",
    "Convert this to JSON: {t}",
    "JSON please: {t}",
    "Turn this sentence into a JSON object: {t}",
    "Extract everything as JSON.\n\n{t}",
)
_SYSTEMS = (
    "Extract {f} from the user's text and answer with a JSON object.",
    "You extract data. Return only JSON with the keys {f}.",
    "Return a JSON object with {f}.",
    "You are a parser. Answer with a JSON object with the fields {f} and nothing else.",
)


def _listed(rng: Random, keys: list[str]) -> str:
    shown = [f'"{key}"' for key in keys] if rng.random() < 0.3 else keys
    if len(shown) == 1:
        return shown[0]
    return rng.choice((", ".join(shown), ", ".join(shown[:-1]) + f" and {shown[-1]}"))


def _schema(rng: Random, value: dict[str, Any]) -> str:
    types = {str: "string", int: "integer", list: "array"}
    properties = detailed(rng, {key: {"type": types[type(item)]} for key, item in value.items()}, value)
    return as_json({"type": "object", "properties": properties, "required": list(value)})


# Question and answer of those jokes that have both.
JOKES = [joke.split("? ", 1) for joke in load_topics("creative")[0].answers if "? " in joke]
_WORDS = sorted({word.lower() for word in VOCABULARY})
_JOKE_KEYS = ("question", "joke", "opening", "setup", "first"), ("answer", "punchline", "ending", "reply", "second")
JOKE_OPENINGS = (
    "Tell me a joke{a}.",
    "Tell me a joke{a}.",
    "A joke{a} please.",
    "I want to hear a joke{a}.",
    "Do you know a joke{a}?",
    "Make a joke{a}!",
)
_JOKE_FORMS = (
    "Return {a} JSON object with {k}.",
    "Return the answer as {a} JSON with {k} keys.",
    "Answer with JSON with the keys {k}.",
    "Return it as JSON with the fields {k}.",
    "Use JSON with {k} keys.",
)


def joke_keys(rng: Random) -> list[str]:
    if rng.random() < 0.35:
        return rng.sample(_WORDS, 2)
    return ["setup", "punchline"] if rng.random() < 0.3 else [rng.choice(usual) for usual in _JOKE_KEYS]


def joke_subject(rng: Random) -> str:
    return f" about {rng.choice((*ANIMALS, *ITEMS, thing(rng)))}" if rng.random() < 0.7 else ""


def told(keys: list[str], joke: list[str]) -> dict[str, str]:
    question, answer = joke
    return dict(zip(keys, (f"{question}?", answer), strict=False))


def joke_conversation(rng: Random) -> Conversation:
    """A joke in two parts, under the keys that are asked for."""
    keys = joke_keys(rng)
    quote = rng.choice(("'", '"', "`", ""))
    fields = rng.choice((" and ", ", ")).join(f"{quote}{key}{quote}" for key in keys)
    form = rng.choice(_JOKE_FORMS).format(a=rng.choice(("a", "the")), k=fields)
    user = f"{rng.choice(JOKE_OPENINGS).format(a=joke_subject(rng))} {form}"
    if rng.random() < 0.4:
        user += rng.choice((" Return only JSON.", " Nothing else.", " Only JSON, nothing other.", " No other text."))
    answers = [as_json(told(keys, joke)) for joke in JOKES]
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": rng.choice(answers)}]
    return Conversation("JSON joke", messages, f"joke {keys}", accepts=tuple(answers), check="json")


def extraction_conversation(rng: Random) -> Conversation:
    """The keys that are asked for, in the order in which they are asked for; null where the sentence is silent."""
    text, found = rng.choice(_KINDS)(rng)
    keys = list(found)
    draw = rng.random()
    if draw < 0.25:
        keys = rng.sample(keys, rng.randint(1, len(keys)))
    elif draw < 0.35:
        keys.append(rng.choice([key for key in ("phone", "email", "job", "price", "country") if key not in found]))
    value = {key: found.get(key) for key in keys}
    compact = rng.random() < 0.25
    answer = as_json(value, compact)
    fields = _listed(rng, keys)
    messages: list[dict[str, Any]] = []
    draw = rng.random()
    if draw < 0.15 and keys == list(found):
        user = rng.choice(_FREE_ASKS).format(t=text)
    elif draw < 0.3 and None not in value.values():
        user = rng.choice(
            ("{t}\n\nAnswer with JSON that fits this schema: {s}", "Extract JSON that fits the schema {s}\n\n{t}")
        ).format(t=text, s=_schema(rng, value))
    elif draw < 0.5:
        messages.append({"role": "system", "content": rng.choice(_SYSTEMS).format(f=fields)})
        user = text
    else:
        user = rng.choice(_ASKS).format(f=fields, t=text)
        if rng.random() < 0.2:
            messages.append({"role": "system", "content": rng.choice((*NEUTRAL, "You extract data as JSON."))})
    if compact and rng.random() < 0.5:
        user += rng.choice((" Use compact JSON.", " Write compact JSON without spaces."))
    messages += [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    return Conversation("JSON extraction", messages, f"json {as_json(found)}", accepts=(answer,), check="json")
