from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth.guard import Guard
from api.auth.keys import KeyRing, mint
from api.config import Settings
from api.middleware.authenticate import AuthenticateMiddleware
from api.storage import keys
from api.storage.session import Database, open_pool
from api.storage.tenants import Project
from tests.unit.api.middleware.asgi import Answer, body, call, hello, scope_of

PEPPER = "a pepper"
SETTINGS = Settings(key_pepper=PEPPER, auth_mode="all_except_health")


def authenticating(settings: Settings, keys: Callable[[], KeyRing], app: ASGIApp | None = None) -> ASGIApp:
    """In a world where time stands still."""
    return AuthenticateMiddleware(app or tells, settings, keys, Guard(lambda: 0.0))


async def tells(scope: Scope, receive: Receive, send: Send) -> None:
    """Who the application believes is asking."""
    scope["told"] = scope["state"].get("principal")
    await hello(scope, receive, send)


@pytest.fixture
async def key(store: Database, project: Project) -> str:
    plain, record = mint(PEPPER, project.id, "k")
    await keys.add(store, record)
    return plain


@pytest.fixture
async def app(store: Database) -> AsyncIterator[ASGIApp]:
    async with contextlib.aclosing(KeyRing(store, PEPPER)) as ring:
        yield authenticating(SETTINGS, lambda: ring)


def refused(answer: Answer, code: str | None) -> str:
    assert answer.status == 401
    assert answer.error_body["type"] == "invalid_request_error"
    assert answer.error_body["code"] == code and answer.error_body["param"] is None
    assert "told" not in answer.scope
    assert answer.received == 0, "the body was read before the key was known"
    return str(answer.error_body["message"])


@pytest.mark.parametrize(
    "form",
    ["Authorization: Bearer {}", "Authorization: bearer   {}", "x-api-key: {}", "api-key: {}", "X-Goog-Api-Key: {} "],
)
async def test_four_headers_carry_a_key(form: str, app: ASGIApp, key: str) -> None:
    name, _, value = form.format(key).partition(": ")
    answer = await call(app, scope_of(headers=[(name, value)]))
    assert answer.status == 200
    assert answer.scope["told"].project_id == "proj_1"


async def test_the_same_key_in_two_headers_is_one_key(app: ASGIApp, key: str) -> None:
    answer = await call(app, scope_of(headers=[("Authorization", f"Bearer {key}"), ("x-api-key", key)]))
    assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Basic dTpw")],
        [("Cookie", "key={}")],
        [("x-api-key", " ")],
        [("Authorization", "{}")],
    ],
    ids=repr,
)
async def test_no_key_is_told_as_no_key(headers: list[tuple[str, str]], app: ASGIApp, key: str) -> None:
    """Reliability S01. A key anywhere else than where keys belong is no key."""
    given = [(name, value.format(key)) for name, value in headers]
    answer = await call(app, scope_of("POST", headers=given), body(b"{"))
    assert refused(answer, None).startswith("You didn't provide an API key. ")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "wrong", ["bearer x", "Bearer \u00e9\u00e9", "Bearer " + "k" * 100_000, "Bearer %00", "Bearer a\0b"]
)
async def test_a_wrong_key_is_a_wrong_key(wrong: str, app: ASGIApp, key: str) -> None:
    answer = await call(app, scope_of(headers=[("Authorization", f"Bearer {wrong}")]))
    message = refused(answer, "invalid_api_key")
    assert message.startswith("Incorrect API key provided: ") and len(message) < 300


async def test_two_keys_are_no_answer_to_who_is_asking(app: ASGIApp, key: str) -> None:
    other, _ = mint(PEPPER, "proj_1", "other")
    for headers in (
        [("Authorization", f"Bearer {key}"), ("x-api-key", other)],
        [("x-api-key", key), ("x-goog-api-key", other)],
        [("api-key", key), ("x-api-key", other)],
        [("Authorization", f"Bearer {key}"), ("Authorization", f"Bearer {key}")],
        [("Authorization", f"Bearer {key}"), ("Authorization", "Basic x")],
    ):
        refused(await call(app, scope_of(headers=headers)), "invalid_api_key")


OPEN = ["/healthz", "/readyz", "/openapi.json", "/openapi.yaml", "/docs", "/docs/swagger-ui.css"]
CLOSED = [
    "/v1/models",
    "/v1/nowhere",
    "/healthz/",
    "/healthz2",
    "//healthz",
    "/v1/healthz",
    "/HEALTHZ",
    "/docsx",
    "/openapi.json/x",
    "/metrics",
    "/v1/models/../../healthz",
    "",
]


@pytest.mark.parametrize("path", OPEN)
async def test_what_is_open_is_open(path: str, app: ASGIApp) -> None:
    answer = await call(app, scope_of(path=path))
    assert answer.status == 200 and answer.scope["told"] is None


@pytest.mark.parametrize("path", CLOSED)
async def test_everything_else_is_closed(path: str, app: ASGIApp) -> None:
    """Reliability S04: also what does not exist, and every method."""
    for method in ("GET", "POST", "OPTIONS", "BREW"):
        refused(await call(app, scope_of(method, path)), None)


@pytest.mark.parametrize("host", ["x/healthz", "healthz", "x/?", "x/#", "127.0.0.1"])
async def test_headers_do_not_move_the_decision(host: str, app: ASGIApp) -> None:
    """Reliability S03: decided on the path that is routed by, not on a URL made of headers."""
    headers = [("Host", host), ("X-Original-URL", "/healthz"), ("X-Forwarded-Prefix", "/docs/")]
    refused(await call(app, scope_of(path="/v1/models", headers=headers)), None)


async def test_without_postgresql_it_is_503_and_not_401(key: str) -> None:
    async with contextlib.aclosing(await open_pool("postgresql://x@127.0.0.1:1/x", 1, 1.0)) as nowhere:
        app = authenticating(SETTINGS, lambda: KeyRing(nowhere, PEPPER))
        answer = await call(app, scope_of(headers=[("x-api-key", key)]))
        assert answer.status == 503 and answer.error_body["code"] == "ledger_unavailable"
        assert answer.headers["retry-after"] == "2"


async def test_where_no_keys_are_asked_for_everyone_is_local() -> None:
    def never() -> KeyRing:
        raise AssertionError("nobody asks for keys")

    app = authenticating(Settings(key_pepper=PEPPER, auth_mode="off"), never)
    answer = await call(app, scope_of(headers=[("x-api-key", "anything")]))
    principal = answer.scope["told"]
    assert principal.project_id == "local" and principal.scopes == {"inference", "usage", "admin", "models"}


@pytest.mark.parametrize("path", [*OPEN, *CLOSED])
async def test_strict_leaves_nothing_open(path: str, store: Database, key: str) -> None:
    async with contextlib.aclosing(KeyRing(store, PEPPER)) as ring:
        app = authenticating(Settings(key_pepper=PEPPER, auth_mode="strict"), lambda: ring)
        refused(await call(app, scope_of(path=path)), None)
        assert (await call(app, scope_of(path=path, headers=[("api-key", key)]))).status == 200


@pytest.mark.parametrize(
    ("host", "auth"), [("127.0.0.1", "off"), ("::1", "off"), ("localhost", "off"), ("0.0.0.0", "all_except_health")]
)
def test_auto_asks_for_keys_where_others_can_reach_it(host: str, auth: str) -> None:
    assert Settings(key_pepper=PEPPER, api_host=host).auth == auth


# ---------------------------------------------------------------- many wrong keys

ATTACKER, TENANT = ("203.0.113.7", 5), ("198.51.100.9", 5)


def presents(key: str, client: tuple[str, int] | None) -> Scope:
    return scope_of(headers=[("Authorization", f"Bearer {key}")], client=client)


async def flood(app: ASGIApp, client: tuple[str, int] | None) -> Answer:
    """Wrong keys, well-formed ones, until they are not looked at any more; the first such answer."""
    for _ in range(20):
        refused(await call(app, presents(mint(PEPPER, "proj_1", "guess")[0], client)), "invalid_api_key")
    return await call(app, presents(mint(PEPPER, "proj_1", "guess")[0], client))


@pytest.mark.parametrize("client", [ATTACKER, None], ids=["address", "no address"])
async def test_many_wrong_keys_from_one_address_are_not_looked_at(client: tuple[str, int] | None, app: ASGIApp) -> None:
    """Reliability S09."""
    answer = await flood(app, client)
    assert answer.status == 429
    assert (answer.error_body["type"], answer.error_body["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert answer.error_body["message"].endswith("Please try again in 3s.")
    assert answer.headers["retry-after"] == "3" and answer.headers["retry-after-ms"] == "3000"
    assert answer.received == 0


async def test_a_known_key_works_from_the_same_address_and_any_key_from_another(
    app: ASGIApp, key: str, store: Database
) -> None:
    assert (await call(app, presents(key, ATTACKER))).status == 200
    assert (await flood(app, ATTACKER)).status == 429
    for _ in range(30):
        assert (await call(app, presents(key, ATTACKER))).status == 200
    assert (await call(app, presents("sk-wrong", ATTACKER))).status == 429
    assert (await call(app, presents(key, TENANT))).status == 200
    fresh, record = mint(PEPPER, "proj_1", "fresh")
    await keys.add(store, record)
    assert (await call(app, presents(fresh, TENANT))).status == 200
    assert (await call(app, presents(fresh, ATTACKER))).status == 200  # known by now


async def test_no_key_is_not_a_wrong_key(app: ASGIApp) -> None:
    for _ in range(40):
        refused(await call(app, scope_of(client=ATTACKER)), None)
    refused(await call(app, presents("sk-wrong", ATTACKER)), "invalid_api_key")


async def test_an_outage_is_not_a_wrong_key(key: str) -> None:
    async with contextlib.aclosing(await open_pool("postgresql://x@127.0.0.1:1/x", 1, 1.0)) as nowhere:
        app = authenticating(SETTINGS, lambda: KeyRing(nowhere, PEPPER))
        for _ in range(25):
            assert (await call(app, presents(key, ATTACKER))).status == 503


async def test_other_protocols_pass_through(app: ASGIApp) -> None:
    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    answer = await call(authenticating(SETTINGS, lambda: None, lifespan), {"type": "lifespan"})  # type: ignore[arg-type,return-value]
    assert answer.messages == [{"type": "lifespan.startup.complete"}]
