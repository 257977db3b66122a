"""Everything that is opened once per process. The only file that knows every constructor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from api.auth.keys import KeyRing
from api.clients.hosts import Hosts
from api.config import Settings
from api.ledger.usage import UsageRecorder
from api.services.admission import Admission
from api.services.catalog import Catalog
from api.services.chat import ChatService
from api.services.embeddings import EmbeddingService
from api.storage.session import Database, open_pool


@dataclass(slots=True)
class AppState:
    settings: Settings
    database: Database
    keys: KeyRing
    hosts: Hosts
    catalog: Catalog
    chat: ChatService
    embeddings: EmbeddingService
    draining: bool = False

    async def checks(self) -> dict[str, str]:
        """What readiness depends on, each `ok` or what is wrong."""
        checks = {"process": "draining" if self.draining else "ok", "database": await self._database_check()}
        unready = self.hosts.unready()
        checks |= {f"model:{name}": reason for name, reason in unready.items()}
        return checks | ({} if unready else {"models": "ok"})

    async def _database_check(self) -> str:
        try:
            async with asyncio.timeout(1.0):
                await self.database.ping()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is why we are not ready)
            return f"does not answer ({type(error).__name__})"
        return "ok"


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncIterator[AppState]:
    """Opens everything, closes it in reverse: streams settle before the ledger's connection goes."""
    addresses = [
        name
        for names in (settings.inference_grpc_host, settings.embedding_grpc_host)
        for name in names.split(",")
        if name.strip()
    ]
    async with AsyncExitStack() as stack:
        database = await open_pool(settings.database_url, settings.db_pool_size, settings.db_timeout_s)
        stack.push_async_callback(database.aclose)
        keys = KeyRing(database, settings.key_pepper, settings.key_cache_ttl_s)
        stack.push_async_callback(keys.aclose)
        await keys.start()
        usage = UsageRecorder(database)
        stack.push_async_callback(usage.aclose)
        hosts = Hosts(dict.fromkeys(addresses), settings.novai_grpc_token)
        stack.push_async_callback(hosts.aclose)
        await hosts.start()
        catalog = Catalog(hosts)
        admission = Admission(settings.max_requests_in_flight)
        chat = ChatService(
            catalog, admission, hosts, usage, settings.first_token_timeout_s, settings.inter_token_timeout_s
        )
        stack.push_async_callback(chat.aclose)
        embeddings = EmbeddingService(catalog, admission, hosts, usage, settings.first_token_timeout_s)
        yield AppState(settings, database, keys, hosts, catalog, chat, embeddings)
