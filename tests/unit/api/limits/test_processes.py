from __future__ import annotations

import contextlib

from api.limits.processes import LiveProcesses
from api.storage import holds
from api.storage.session import Database, open_pool
from tests.unit.api.limits.conftest import until
from tests.unit.api.tcp_proxy import proxied


async def test_processes_are_counted_while_they_renew_their_lease(migrated_url: str, store: Database) -> None:
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 1, 1.0)) as database:
        async with contextlib.aclosing(LiveProcesses(database, every_s=0.02)) as processes:
            await processes.start()
            assert processes.count == 1  # this one, whatever PostgreSQL says
            for process in ("first", "second", "third"):
                await holds.renew(store, process, 600)
            await until(lambda: processes.count == 3)
            await holds.resign(store, ["third"])
            await until(lambda: processes.count == 2)
            await holds.renew(store, "second", 0.2)  # and never again
            await until(lambda: processes.count == 1)
            await holds.renew(store, "fourth", 600)
            await until(lambda: processes.count == 2)
            await proxy.cut()
            await holds.resign(store, ["first", "fourth"])
            await until(lambda: database._suspect)
            assert processes.count == 2
            await proxy.restore()
            await until(lambda: processes.count == 1)


async def test_they_are_counted_anew_at_once_when_asked(store: Database) -> None:
    async with contextlib.aclosing(LiveProcesses(store, every_s=600)) as processes:
        await processes.start()
        for count, process in enumerate(("first", "second", "third"), 1):
            await holds.renew(store, process, 600)
            processes.now()
            await until(lambda count=count: processes.count == count)
