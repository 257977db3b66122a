"""The workers that a generation is handed to: one, and another one where that failed before it said anything."""

from __future__ import annotations

from api.clients.hosts import Hosts, Replica
from api.clients.session import Call, GenerateRequest
from api.errors import ApiError, PoisonRequestError
from api.services.quarantine import Quarantine, Turn

TRIES = 2  # workers that one request is handed to at most


class Attempts:
    """Of one request. `submit` → `elsewhere`? → `close`."""

    def __init__(self, hosts: Hosts, quarantine: Quarantine, request_id: str, request: GenerateRequest) -> None:
        self.call: Call | None = None  # that runs, or ran last
        self._hosts = hosts
        self._quarantine = quarantine
        self._request_id = request_id
        self._request = request
        self._tried: list[Replica] = []
        self._turn: Turn | None = None
        self._cancelled = False

    @property
    def replica(self) -> Replica:
        """Where the call runs, or ran last."""
        return self._tried[-1]

    async def count_tokens(self) -> int:
        """Tokens of the prompt. Raises what the worker does, and OverloadedError."""
        replica = self._hosts.pick(self._request.model)
        assert replica.session is not None
        return await replica.session.count_tokens(self._request)

    async def submit(self) -> None:
        """Hands the request to the least loaded replica that has not failed it yet.

        Raises OverloadedError, PoisonRequestError, WorkerDiedError.
        """
        if self._turn is None:
            self._turn = await self._quarantine.turn(self._request.model, self._asked)
        replica = self._hosts.pick(self._request.model, exclude=self._tried)
        assert replica.session is not None
        self.call = replica.session.start(self._request_id, self._request)
        for former in self._tried[-1:]:
            former.outstanding -= 1
        replica.outstanding += 1
        self._tried.append(replica)
        if self._cancelled:
            self.call.cancel()

    async def elsewhere(self, error: ApiError) -> None:
        """One more try, on a replica that has not seen the request. Raises `error` when there is none."""
        if len(self._tried) >= TRIES:
            raise error
        try:
            await self.submit()
        except ApiError:
            raise error from None

    def cancel(self) -> None:
        """The call ends within a step of the engine, and so does one that is yet to come. Idempotent."""
        self._cancelled = True
        if self.call is not None:
            self.call.cancel()

    def finished(self, cancelled: bool) -> None:
        """The worker lives; so it will after another one like this, unless that was cut short."""
        self.replica.worked()
        if not cancelled:
            self._quarantine.answered(self._asked)

    async def crashed(self) -> PoisonRequestError | None:
        """The worker is gone; what to say if it died of this request, and was not the first."""
        return await self._quarantine.crashed(self._asked, self.replica.target)

    def close(self) -> None:
        """Nothing of it is read any more. Called once."""
        if self.call is not None:
            self.call.forget()
            self.replica.outstanding -= 1
        if self._turn is not None:
            self._turn.over()

    def _asked(self) -> bytes:
        return self._request.SerializeToString(deterministic=True)
