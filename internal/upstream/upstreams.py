"""Requests to a chain of upstreams: who is asked, how often, and for how long.

Three attempts at most, within a deadline. Who has not failed this request comes first; whoever has is asked again after
a pause only. An attempt that has `begun` to answer is the last one: nobody could put the halves of two together.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec

from internal.config import ConfigError, ModelConfig
from internal.errors import OverloadedError
from internal.upstream import faults
from internal.upstream.chain import Chain, Target, Upstream, backoff_s
from internal.upstream.faults import AttemptError, Blame
from internal.upstream.http import Answer, BrokenError, Connections
from internal.upstream.options import FallbackOptions, UpstreamOptions, check, header_lines, name_of
from internal.upstream.secrets import Secret, is_reference, read_secret

log = logging.getLogger("novai.upstream")

PATIENCE_S = 5.0  # how long a request waits for a key or an upstream that rests
ERROR_BYTES = 65_536  # of an answer without success
T = TypeVar("T")
Authorize = Callable[[Secret | None], bytes]
encode = msgspec.json.Encoder().encode


class ChainOptions(UpstreamOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The upstream that is asked first, and what holds for all."""

    fallbacks: tuple[FallbackOptions, ...] = ()  # in order
    attempts: Annotated[int, msgspec.Meta(ge=1, le=3)] = 3
    deadline_s: float = 110.0  # until the first token, all attempts together


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """How a target is asked."""

    form: str
    options: UpstreamOptions
    connections: Connections
    headers: bytes
    label: str  # for the log
    secrets: Sequence[str] = ()  # that it is told, and may tell again

    async def post(self, path: str, body: object) -> Answer:
        """The answer, whatever its status; whoever gets it closes it. Raises BrokenError."""
        return await self.connections.post(path, self.headers, encode(body))


Given = TypeVar("Given", bound=ChainOptions)


def configured(config: ModelConfig, kind: type[Given], forms: Mapping[str, Authorize]) -> tuple[Given, Upstreams]:
    """The options of a model, and the upstreams that they name. Raises ConfigError, with the model's name."""
    try:
        options = msgspec.convert(config.options, kind)
        return options, Upstreams(config.name, config.backend, options, forms)
    except (msgspec.ValidationError, ConfigError) as error:
        raise ConfigError(f"model {config.name!r}: {error}") from None


class Upstreams:
    """`model`: our name of it. `forms`: those that can be asked, and how each says who asks. Raises ConfigError."""

    def __init__(self, model: str, form: str, options: ChainOptions, forms: Mapping[str, Authorize]) -> None:
        self._model = model
        self._options = options
        rows = [(form, options), *((fallback.backend, fallback) for fallback in options.fallbacks)]
        self._chain = Chain([upstream_of(form, options, forms) for form, options in rows])
        self.ways = [target.of for upstream in self._chain.upstreams for target in upstream.targets]

    async def answered(
        self, attempt: Callable[[Way, Upstream[Way], float], Awaitable[T]], begun: Callable[[], bool] = lambda: False
    ) -> T:
        """What the first `attempt` that does not fail returns; it is given the way, its upstream and the seconds until
        its first token. Raises the WorkerError of the last one, or that nobody may be asked."""
        until_s = time.monotonic() + self._options.deadline_s
        spent: list[Target[Way]] = []
        number = 0
        while True:
            target = await self._target(spent, number, until_s)
            number += 1
            try:
                result = await self._tried(attempt, target, until_s)
            except AttemptError as fault:
                now_s = time.monotonic()
                spent += self._chain.failed(target, fault, now_s)
                log.warning("%s: %s: %s (attempt %d)", self._model, target.of.label, fault.what, number)
                last = number == self._options.attempts or now_s >= until_s
                if last or begun() or fault.blame is Blame.REQUEST:
                    raise fault.error from None
            else:
                self._chain.worked(target, time.monotonic())
                return result

    async def refused(self, way: Way, answer: Answer) -> AttemptError:
        """The fault that an answer without success stands for. Callers are told its words, without our secrets."""
        try:
            body = await answer.whole(ERROR_BYTES)
        except BrokenError:
            body = b""
        return faults.of_answer(answer.status, answer.headers, body, self._model, way.secrets)

    async def whole(self, way: Way, path: str, body: object, limit_s: float) -> bytes:
        """The body of a good answer. Raises AttemptError, BrokenError, TimeoutError."""
        async with asyncio.timeout(limit_s):
            answer = await way.post(path, body)
            try:
                if answer.status != 200:
                    raise await self.refused(way, answer)
                return await answer.whole()
            finally:
                answer.close()

    def close(self) -> None:
        for way in self.ways:
            way.connections.close()

    async def _tried(
        self, attempt: Callable[[Way, Upstream[Way], float], Awaitable[T]], target: Target[Way], until_s: float
    ) -> T:
        """Whatever can go wrong with an upstream is an AttemptError."""
        limit_s = min(target.of.options.first_token_timeout_s, until_s - time.monotonic())
        try:
            return await attempt(target.of, target.upstream, limit_s)
        except BrokenError as error:
            raise faults.cut(self._model, str(error)) from None
        except TimeoutError:
            raise faults.silent(self._model) from None

    async def _target(self, spent: list[Target[Way]], failures: int, until_s: float) -> Target[Way]:
        """The next to ask; after a pause, when all that could be have failed this request. Raises OverloadedError when
        nobody may be asked soon, InternalError when nobody accepts our keys."""
        while True:
            now_s = time.monotonic()
            found = self._chain.choose(now_s, spent)
            if isinstance(found, Target):
                return found
            if found > PATIENCE_S and spent:
                spent.clear()
                found = backoff_s(failures)
            if found > PATIENCE_S or now_s + found > until_s:
                if self._chain.refused:
                    raise faults.unauthorized(self._model)
                raise OverloadedError(
                    f"The upstreams of `{self._model}` can take no more requests now; try again later.",
                    retry_after_ms=round(1000 * found),
                )
            await asyncio.sleep(found)


def upstream_of(form: str, options: UpstreamOptions, forms: Mapping[str, Authorize]) -> Upstream[Way]:
    """An upstream and its keys. Raises ConfigError."""
    check(options)
    if form not in forms:
        raise ConfigError(f"fallbacks: {form!r} is no backend of upstreams here. Known: {', '.join(forms)}")
    upstream: Upstream[Way] = Upstream(name_of(options))
    extra = header_lines(options)
    connections = Connections(options.base_url, options.connect_timeout_s)
    keys = [read_secret(reference) for reference in options.keys]
    headers = [read_secret(text) for text in options.headers.values() if is_reference(text)]
    secrets = [secret.reveal().split()[-1] for secret in (*keys, *headers)]  # without `Bearer`
    for key in (*keys,) or (None,):
        label = f"{upstream.name} ({key.reference})" if key else upstream.name
        way = Way(form, options, connections, extra + forms[form](key), label, secrets)
        upstream.targets.append(Target(upstream, way))
    return upstream
