"""Where the models are: watches every model host, keeps a session to every ready worker, picks replicas.

The edge is configured with host addresses only. A DNS name stands for all its addresses and is looked up again every
few seconds, so hosts come and go by themselves. A host that is away takes nothing down: its workers keep their
sessions as long as those live.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import grpc
import grpc.aio
from gen import model_host_pb2 as pb
from gen import model_host_pb2_grpc

from api.clients.channel import CHANNEL_OPTIONS, bearer
from api.clients.embedding import EmbeddingClient
from api.clients.session import Session
from api.errors import OverloadedError

log = logging.getLogger("novai.hosts")

RESOLVE_EVERY_S = 5.0
HEARTBEAT_S = 2
RECONNECT_FIRST_S, RECONNECT_MOST_S = 0.1, 2.0
# Sessions are opened again sooner than hosts: a worker that is back, or a network, is used within a second.
SESSION_OPEN_S = 2.0
SESSION_RETRY_S = 0.2
# A worker whose requests keep stalling is set aside for a while, as Envoy does: after this many in a row, and each time
# for longer until it has answered.
STALLS_TO_EJECT = 5
EJECT_S = 30.0
DEAD_KEPT = 1000


@dataclass(eq=False, slots=True)
class Replica:
    """One worker process, as its host describes it, and the connection to it."""

    state: pb.ModelState
    target: str
    session: Session | None = None
    embedding: EmbeddingClient | None = None
    outstanding: int = 0
    stalls: int = 0
    ejections: int = 0
    ejected_until_s: float = 0.0
    connecting: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """As its host says."""
        return self.state.state == pb.READY

    @property
    def usable(self) -> bool:
        if not self.ready or self.set_aside:
            return False
        return (
            self.embedding is not None if self.state.kind == pb.EMBEDDING else bool(self.session and self.session.alive)
        )

    @property
    def set_aside(self) -> bool:
        return self.ejected_until_s > 0 and time.monotonic() < self.ejected_until_s

    def stalled(self) -> None:
        """A request on it got nothing for too long. What ran beside those it was set aside for says nothing new."""
        if self.set_aside:
            return
        self.stalls += 1
        if self.stalls >= STALLS_TO_EJECT:
            self.stalls = 0
            self.ejections += 1
            aside_s = EJECT_S * self.ejections
            self.ejected_until_s = time.monotonic() + aside_s
            log.warning("%s (%s) keeps stalling: set aside for %d s", self.target, self.state.model, aside_s)

    def worked(self) -> None:
        self.stalls = self.ejections = 0


@dataclass(eq=False, slots=True)
class Host:
    """One address of one model host."""

    address: str
    task: asyncio.Task[None] = field(init=False)
    seen: bool = False  # its state has been heard on the present connection
    trouble: str = "not yet"  # why it was not, the last time
    complete: bool = False  # and the host neither starts nor ends
    replicas: dict[str, Replica] = field(default_factory=dict)  # by target
    aliases: Mapping[str, str] = field(default_factory=dict)
    known: dict[str, pb.Model] = field(default_factory=dict)  # models, loaded or not
    stub: model_host_pb2_grpc.ModelHostServiceAsyncStub | None = None  # of the present connection


class Hosts:
    """All model hosts of this process. `start` → `pick`* → `aclose`."""

    def __init__(self, addresses: Collection[str], token: str = "") -> None:
        self._names = list(addresses)
        self._token = token
        self._hosts: dict[str, Host] = {}
        self._models: dict[str, list[Replica]] = {}  # kept in step with the hosts' replicas
        self._aliases: dict[str, str] = {}  # and this with their aliases
        self._dead: OrderedDict[str, None] = OrderedDict()  # targets of workers whose hosts saw them end, the latest
        self._resolver: asyncio.Task[None] | None = None
        self.news = asyncio.Event()  # set, and replaced, whenever a host says something or a worker is connected to

    async def start(self) -> None:
        self._resolver = asyncio.create_task(self._resolve_for_ever())

    async def aclose(self) -> None:
        if self._resolver is not None:
            self._resolver.cancel()
        for host in list(self._hosts.values()):
            await self._drop_host(host)

    # ------------------------------------------------------------------ questions

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of every call to a host."""
        return bearer(self._token)

    def replicas(self) -> list[Replica]:
        return [replica for host in self._hosts.values() for replica in host.replicas.values()]

    def models(self) -> Mapping[str, list[Replica]]:
        """Every model that a host has, with its replicas in whatever state."""
        return self._models

    def aliases(self) -> Mapping[str, str]:
        """Other names of models → the models. Where hosts differ, the one of the greatest address is believed."""
        return self._aliases

    def seen(self) -> list[Host]:
        """Those in sight, by their addresses."""
        return sorted((host for host in self._hosts.values() if host.seen), key=lambda host: host.address)

    def known(self) -> dict[str, list[tuple[Host, pb.Model]]]:
        """Every model that a host could run, with what each host in sight says of it."""
        found: dict[str, list[tuple[Host, pb.Model]]] = {}
        for host in self.seen():
            for name, model in host.known.items():
                found.setdefault(name, []).append((host, model))
        return found

    def on_demand(self, model: str) -> list[tuple[Host, pb.Model]]:
        """Hosts that load it for a request, or have begun to."""
        told = ((host, host.known.get(model)) for host in self.seen())
        return [(host, known) for host, known in told if known is not None and known.on_demand]

    def pick(self, model: str, exclude: Collection[Replica] = ()) -> Replica:
        """The usable replica with the fewest requests on it. Raises OverloadedError when there is none."""
        usable = [r for r in self._models.get(model, ()) if r.usable and r not in exclude]
        if not usable:
            raise OverloadedError(
                f"No replica of the model `{model}` can take the request now. Please try again in 1s.",
                retry_after_ms=1000,
            )
        return min(usable, key=lambda replica: replica.outstanding) if len(usable) > 1 else usable[0]

    def unsure(self) -> list[str]:
        """Addresses and names of hosts that may have more than they say: out of sight, starting or ending."""
        if not self._hosts:
            return list(self._names)
        return [host.address for host in self._hosts.values() if not (host.seen and host.complete)]

    def died(self, target: str) -> bool:
        """Whether that worker ended by itself, as its host says: not the host with all its workers, nor the network."""
        return target in self._dead

    async def hear_of(self, target: str, patience_s: float) -> None:
        """Returns when it has died, or its host has said nothing of the kind for so long."""
        try:
            async with asyncio.timeout(patience_s):
                while not self.died(target):
                    await self.news.wait()
        except TimeoutError:
            return

    def unready(self) -> dict[str, str]:
        """What keeps this process from serving: address or model → reason. Empty when all is well."""
        if not self._hosts:
            return dict.fromkeys(self._names, "its name does not resolve")
        problems = {h.address: f"does not answer ({h.trouble})" for h in self._hosts.values() if not h.seen}
        for model, replicas in self.models().items():
            if not any(replica.usable or replica.state.optional for replica in replicas):
                states = ", ".join(sorted({pb.State.Name(r.state.state).lower() for r in replicas}))
                problems[model] = next((r.state.error for r in replicas if r.state.error), states)
        return problems

    def _index(self) -> None:
        hosts = sorted(self._hosts.values(), key=lambda host: host.address)
        self._aliases = {alias: model for host in hosts for alias, model in host.aliases.items()}
        self._models = {}
        for replica in self.replicas():
            self._models.setdefault(replica.state.model, []).append(replica)

    # ------------------------------------------------------------------ hosts

    async def _resolve_for_ever(self) -> None:
        while True:
            wanted: set[str] = set()
            for name in self._names:
                wanted |= await addresses_of(name)
            for address in wanted - self._hosts.keys():
                self._hosts[address] = host = Host(address)
                host.task = asyncio.create_task(self._watch_for_ever(host))
            # A name that does not resolve for a moment drops nobody; one that resolves elsewhere does.
            if wanted:
                for address in self._hosts.keys() - wanted:
                    await self._drop_host(self._hosts.pop(address))
            await asyncio.sleep(RESOLVE_EVERY_S)

    async def _drop_host(self, host: Host) -> None:
        host.task.cancel()
        await asyncio.gather(host.task, return_exceptions=True)
        for replica in list(host.replicas.values()):
            await self._drop_replica(host, replica)

    async def _watch_for_ever(self, host: Host) -> None:
        pause_s = RECONNECT_FIRST_S
        while True:
            try:
                await self._watch(host)
            except (grpc.aio.AioRpcError, TimeoutError) as error:
                reason, details = _said(error)
                if host.seen or reason != host.trouble:  # a long outage is told of once
                    log.warning("model host %s: %s %s", host.address, reason, details)
                host.trouble = reason
            if host.seen:  # also when it ended as it should
                pause_s = RECONNECT_FIRST_S
            host.seen = False
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RECONNECT_MOST_S)

    async def _watch(self, host: Host) -> None:
        async with grpc.aio.insecure_channel(host.address, options=CHANNEL_OPTIONS) as channel:
            stub = model_host_pb2_grpc.ModelHostServiceStub(channel)
            stream = stub.Watch(pb.WatchRequest(heartbeat_s=HEARTBEAT_S), metadata=self.metadata)
            host.stub = stub
            try:
                while True:
                    async with asyncio.timeout(3 * HEARTBEAT_S):
                        state = await stream.read()
                    if not isinstance(state, pb.HostState):
                        return
                    await self._apply(host, state)
            finally:
                host.stub = None
                stream.cancel()

    # ------------------------------------------------------------------ replicas

    async def _apply(self, host: Host, state: pb.HostState) -> None:
        """Makes the replicas what the host says they are. What went while nobody listened went with the host."""
        listening = host.seen
        host.seen, host.complete = True, not state.incomplete
        host.aliases = dict(state.aliases)
        host.known = {model.model: model for model in state.known}
        told: dict[str, pb.ModelState] = {}
        for index, model in enumerate(state.models):
            told[target_of(model.endpoint, host.address) or f"{model.model}#{index}"] = model
        gone = host.replicas.keys() - told.keys()
        self._dead |= dict.fromkeys(gone if listening else ())
        while len(self._dead) > DEAD_KEPT:
            self._dead.popitem(last=False)
        for target, model in told.items():
            replica = host.replicas.get(target)
            if replica is None:
                replica = host.replicas[target] = Replica(state=model, target=target)
            replica.state = model
            if model.state == pb.READY:
                self._connect(replica)
        self._index()
        for target in gone:  # last, because it takes a while, in which a model whose only worker died is still one
            await self._drop_replica(host, host.replicas[target])
        self._tell()

    def _tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()

    def _connect(self, replica: Replica) -> None:
        if replica.state.kind == pb.EMBEDDING:
            replica.embedding = replica.embedding or EmbeddingClient(replica.target, replica.state.model, self._token)
        elif replica.connecting is None or replica.connecting.done():
            replica.connecting = asyncio.create_task(self._keep_session(replica))

    async def _keep_session(self, replica: Replica) -> None:
        """A session, and another one whenever it breaks, until the host says that the worker is gone."""
        failed = False
        while True:
            session = Session(replica.target, replica.state.model, self._token)
            try:
                await session.open(SESSION_OPEN_S)
            except ConnectionError as error:
                if not failed:
                    log.warning("%s", error)
                failed = True
                await asyncio.sleep(SESSION_RETRY_S)
                continue
            failed = False
            replica.session = session
            self._tell()
            log.info("session to %s (%s)", replica.target, replica.state.model)
            await session.broken.wait()
            await session.aclose()

    async def _drop_replica(self, host: Host, replica: Replica) -> None:
        host.replicas.pop(replica.target, None)
        self._index()
        try:
            if replica.connecting is not None:
                replica.connecting.cancel()
                # Whoever waits here may be cancelled itself, which must not be taken for the end of the other task.
                await asyncio.gather(replica.connecting, return_exceptions=True)
        finally:
            if replica.session is not None:
                await replica.session.aclose()
            if replica.embedding is not None:
                await replica.embedding.aclose()


def _said(error: grpc.aio.AioRpcError | TimeoutError) -> tuple[str, str]:
    """Why a host is not heard, and what it says beside that."""
    if isinstance(error, TimeoutError):
        return "no heartbeat", ""
    return error.code().name, error.details() or ""


async def addresses_of(name: str) -> set[str]:
    """`host:port` → every `address:port` it resolves to. Empty when it does not resolve now."""
    host, _, port = name.strip().rpartition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the latter of what can be no name, such as `a..b`
        return set()
    return {f"[{a[4][0]}]:{port}" if a[0] == socket.AF_INET6 else f"{a[4][0]}:{port}" for a in found}


def target_of(endpoint: str, host_address: str) -> str:
    """Where a worker is. An endpoint without a host part is at the address its model host was reached by."""
    if not endpoint:
        return ""
    if not endpoint.startswith(":"):
        return endpoint
    return host_address.rpartition(":")[0] + endpoint
