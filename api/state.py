"""Everything that is opened once per process. The only file that knows every constructor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from api.auth.keys import KeyRing
from api.clients.fetcher import Fetcher
from api.clients.hosts import Hosts
from api.clients.images import Images
from api.clients.lifecycle import HostCommands
from api.clients.tools import ToolServer
from api.config import Settings, SettingsError
from api.ledger.holds import Ledger
from api.ledger.price_book import PriceBook
from api.ledger.reconcile import Reconciler
from api.ledger.retention import Retention
from api.ledger.sweeper import Sweeper
from api.limits import connection as redis
from api.limits.limiter import Limiter
from api.limits.processes import LiveProcesses
from api.services.admission import Admission
from api.services.batches import Batches
from api.services.catalog import Catalog
from api.services.embeddings import EmbeddingService
from api.services.files import Files
from api.services.generation import GenerationService
from api.services.generation_stream import Deadlines
from api.services.idempotency import Idempotency
from api.services.lifecycle import Lifecycle
from api.services.receipts import receipts_of
from api.services.responses import Responses
from api.services.tokens import TokenService
from api.services.tools import ToolService
from api.storage.holds import open_ledger_pool
from api.storage.objects import Objects
from api.storage.session import Database, NotMigratedError, check_url, open_pool
from outbound.guard import Guard


@dataclass(slots=True)
class AppState:
    settings: Settings
    database: Database
    keys: KeyRing
    hosts: Hosts
    catalog: Catalog
    lifecycle: Lifecycle
    generation: GenerationService
    embeddings: EmbeddingService
    tokens: TokenService
    tools: ToolService
    idempotency: Idempotency
    responses: Responses
    files: Files
    batches: Batches
    limiter: Limiter
    ledger: Ledger
    prices: PriceBook
    draining: bool = False

    async def checks(self) -> dict[str, str]:
        """What readiness depends on, each `ok` or what is wrong."""
        checks = {"process": "draining" if self.draining else "ok", "database": await self._database_check()}
        checks["prices"] = "ok" if self.prices.loaded else "not read yet"
        unready = self.hosts.unready()
        checks |= {f"model:{name}": reason for name, reason in unready.items()}
        return checks | ({} if unready else {"models": "ok"})

    async def _database_check(self) -> str:
        try:
            async with asyncio.timeout(1.0):
                await self.database.ping()
        except NotMigratedError:
            return "has not the tables of this version: run `novai migrate`"
        except Exception as error:  # noqa: BLE001 (whatever it is, it is why we are not ready)
            return f"cannot be used ({type(error.__cause__ or error).__name__})"
        return "ok"


def check(settings: Settings) -> None:
    """Before anything is opened. Raises SettingsError for a URL that can never work, so that whoever starts the process
    reads one line, and not where in the midst of opening it was found out."""
    try:
        check_url(settings.database_url)
        redis.check_url(settings.redis_url)
        Objects(settings.files_url)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    except OSError as error:
        raise SettingsError(f"FILES_URL={settings.files_url!r} cannot be used: {error}") from None


class Part(Protocol):
    """Has work of its own, and ends it."""

    async def start(self) -> None: ...
    async def aclose(self) -> None: ...


T = TypeVar("T", bound=Part)


@asynccontextmanager
async def open_state(settings: Settings, batch: bool = False) -> AsyncIterator[AppState]:
    """Opens everything, closes it in reverse: streams settle before the ledger's connection goes. `batch`: what runs
    are lines of batches, at their price, and others go first."""
    async with AsyncExitStack() as stack:

        async def start(part: T) -> T:
            stack.push_async_callback(part.aclose)
            await part.start()
            return part

        database = await open_pool(settings.database_url, settings.db_pool_size, settings.db_timeout_s)
        stack.push_async_callback(database.aclose)
        keys = await start(KeyRing(database, settings.key_pepper, settings.key_cache_ttl_s))
        idempotency = await start(Idempotency(database))
        prices = await start(PriceBook(database))
        ledger_database = await open_ledger_pool(settings.database_url, settings.db_timeout_s)
        stack.push_async_callback(ledger_database.aclose)
        ledger = await start(Ledger(ledger_database))
        processes = await start(LiveProcesses(database))
        limiter = await start(
            Limiter(
                settings.redis_url,
                settings.rate_limit_on_failure,
                settings.rate_limit_timeout_s,
                processes=lambda: processes.count,
                recount=processes.now,
            )
        )
        hosts = await start(Hosts(dict.fromkeys(settings.model_hosts), settings.novai_grpc_token))
        if settings.ledger_sweep_s:
            await start(Sweeper(ledger, prices, receipts_of(hosts), sweep_s=settings.ledger_sweep_s))
        await start(Reconciler(database))
        await start(Retention(database, settings.usage_retention_months))
        commands = HostCommands(hosts)
        catalog = Catalog(hosts, commands, settings.first_token_timeout_s)
        admission = Admission(settings.max_requests_in_flight, limiter, ledger, prices, batch)
        fetcher = Fetcher(Guard(settings.image_url_hosts))
        stack.push_async_callback(fetcher.aclose)
        images = Images(fetcher)
        deadlines = Deadlines(settings.first_token_timeout_s, settings.inter_token_timeout_s)
        generation = GenerationService(catalog, admission, hosts, images, deadlines)
        stack.push_async_callback(generation.aclose)
        embeddings = EmbeddingService(catalog, admission, hosts, settings.first_token_timeout_s, batch)
        tool_server = await start(ToolServer(settings.tools_grpc_host, settings.novai_grpc_token))
        tool_bounds = settings.tool_rounds, settings.tool_timeout_s, settings.tool_rounds_timeout_s
        tools = ToolService(generation, tool_server, *tool_bounds)
        stack.push_async_callback(tools.aclose)
        tokens = TokenService(catalog, admission, hosts, images)
        responses = Responses(database, settings.response_retention_days)
        files = await start(Files(database, Objects(settings.files_url), settings))
        yield AppState(
            settings,
            database,
            keys,
            hosts,
            catalog,
            Lifecycle(database, hosts, commands),
            generation,
            embeddings,
            tokens,
            tools,
            idempotency,
            responses,
            files,
            Batches(database, files, settings.batch_queue_tokens, settings.file_max_bytes),
            limiter,
            ledger,
            prices,
        )
