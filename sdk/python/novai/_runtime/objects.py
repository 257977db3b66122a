"""Objects of answers: what the server sent, read as attributes.

Nothing is validated. A field that this version does not know is kept, a value of another type than promised is handed
on as it came, and a promised field that did not come is None: an old SDK survives a new server. `check` validates, for
those who ask for it.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from functools import cache
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    from typing_extensions import Self

Convert = Callable[[Any], Any]
_HINTS: dict[type[Any], dict[str, Any]] = {}


class Object:
    """An object of an answer. `_request_id` is that of the answer it was."""

    __slots__ = ("__dict__", "__weakref__", "_request_id")
    _request_id: str | None
    _nested: ClassVar[tuple[tuple[str, Convert], ...] | None] = None

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Takes `data` over: it becomes the object's attributes."""
        nested = cls.__dict__.get("_nested")
        if nested is None:
            nested = cls._nested = tuple(
                (name, convert) for name, hint in hints(cls).items() if (convert := converter(hint))
            )
        made = object.__new__(cls)
        made.__dict__ = data
        for name, convert in nested:
            if (value := data.get(name)) is not None:
                data[name] = convert(value)
        return made

    def to_dict(self) -> dict[str, Any]:
        """What the server sent, as plain dicts and lists."""
        return {name: plain(value) for name, value in self.__dict__.items()}

    def to_json(self, *, indent: int | None = 2) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    if not TYPE_CHECKING:  # a type checker knows the fields

        def __getattr__(self, name: str) -> Any:
            """What the server did not send."""
            if name == "_request_id" or name in hints(type(self)):
                return None
            raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


def plain(value: Any) -> Any:
    """Without models, for JSON."""
    if isinstance(value, Object):
        return value.to_dict()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def hints(cls: type[Any]) -> dict[str, Any]:
    """The fields of a class of objects and their types; worked out when its first object comes."""
    if cls not in _HINTS:
        _HINTS[cls] = {name: hint for name, hint in get_type_hints(cls).items() if not name.startswith("_")}
    return _HINTS[cls]


def is_model(hint: Any) -> bool:
    return isinstance(get_origin(hint) or hint, type) and issubclass(get_origin(hint) or hint, Object)


def branches(hint: Any) -> tuple[Any, ...]:
    """What a value of this type may be."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


@cache
def converter(hint: Any) -> Convert | None:
    """What makes models of plain JSON of this type; None where there are none in it."""
    kinds = branches(hint)
    models = [get_origin(kind) or kind for kind in kinds if is_model(kind)]
    items = next((converter(get_args(kind)[0]) for kind in kinds if get_origin(kind) is list), None)
    values = next((converter(get_args(kind)[1]) for kind in kinds if get_origin(kind) is dict), None)
    if models:
        of_object: Convert | None = models[0].from_dict if len(models) == 1 else one_of(models)
    elif values:
        of_object = lambda data: {name: values(value) for name, value in data.items()}  # noqa: E731
    else:
        of_object = None
    if not (of_object or items):
        return None

    def convert(value: Any) -> Any:
        if of_object and type(value) is dict:
            return of_object(value)
        if items and type(value) is list:
            return [None if item is None else items(item) for item in value]
        return value

    return convert


def one_of(models: list[type[Object]]) -> Convert:
    """Tells classes apart by a field whose one value names them: `type`, `role`. A stranger stays a plain Object."""
    constants = [constants_of(model) for model in models]
    shared = [name for name in constants[0] if all(name in each for each in constants)]
    tag = next((name for name in shared if len({each[name] for each in constants}) == len(models)), "")
    by_tag = {each[tag]: model for each, model in zip(constants, models, strict=True)} if tag else {}

    def convert(data: dict[str, Any]) -> Object:
        said = data.get(tag)
        if isinstance(said, str):
            return by_tag.get(said, Object).from_dict(data)
        untold = (model for model, each in zip(models, constants, strict=True) if fits_all(data, each))
        return next(untold, Object).from_dict(data)

    return convert


def fits_all(data: dict[str, Any], constants: dict[str, Any]) -> bool:
    """Whether an object that does not say what it is could be of this class."""
    return all(data.get(name) in (None, value) for name, value in constants.items())


def constants_of(model: type[Object]) -> dict[str, Any]:
    """The fields that have one possible value."""
    known = {name: [kind for kind in branches(hint) if kind is not type(None)] for name, hint in hints(model).items()}
    return {
        name: get_args(kinds[0])[0]
        for name, kinds in known.items()
        if get_origin(kinds[0]) is Literal and len(get_args(kinds[0])) == 1
    }


def check(value: Any, hint: Any, where: str = "") -> None:
    """Raises ValueError, naming the place, when a value (models included) is not of its type."""
    if not any(fits(value, kind) for kind in branches(hint)):
        raise ValueError(f"{where or 'the answer'} is {value!r}, not {hint}")
    if isinstance(value, Object):
        for name, each in hints(type(value)).items():
            if name in value.__dict__ or None not in map(plain, branches(each)):
                check(getattr(value, name), each, f"{where}.{name}".strip("."))
    elif isinstance(value, list):
        items = next((get_args(kind)[0] for kind in branches(hint) if get_origin(kind) is list), Any)
        for index, item in enumerate(value):
            check(item, items, f"{where}[{index}]")


def fits(value: Any, kind: Any) -> bool:
    """One branch of a type, what is inside lists and models left out."""
    origin = get_origin(kind) or kind
    if origin is Any:
        return True
    if origin is Literal:
        return value in get_args(kind)
    if origin is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if origin is None or origin is type(None):
        return value is None
    return isinstance(value, origin)
