"""The served app and openapi/spec.yaml are the same thing."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
import yaml
from starlette.routing import Route

from api.generated.routes import OPERATIONS
from api.middleware.authenticate import OPEN_PATHS
from api.middleware.idempotency import SCOPES
from api.routers.docs import SPEC
from tests.edge import Edge

DOCUMENTATION = {"/openapi.json", "/openapi.yaml", "/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"}
DOCUMENTATION |= {"/docs/", "/docs/favicon.png", "/favicon.ico"}
# tags of what a model can break or be late with
MODELS_WORK = {"Chat", "Completions", "Responses", "Embeddings", "Rerank", "Messages", "Tokens"}


@pytest.fixture(scope="module")
def spec() -> Any:
    return yaml.safe_load(SPEC.read_text(encoding="utf-8"))


def operations(spec: Any) -> dict[str, tuple[str, str]]:
    return {
        operation["operationId"]: (method.upper(), path)
        for path, item in spec["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "operationId" in operation
    }


def served(edge: Edge) -> set[tuple[str, str]]:
    """Method and path of every route of the running app, as the spec writes them."""
    found = set()
    for route in edge.app.router.routes:
        assert isinstance(route, Route)
        path = re.sub(r":path}", "}", route.path)
        found |= {(method, path) for method in (route.methods or ()) if method != "HEAD"}
    return found


def test_routes_are_the_spec(edge: Edge, spec: Any) -> None:
    assert operations(spec) == OPERATIONS
    assert served(edge) == set(operations(spec).values()) | {("GET", path) for path in DOCUMENTATION}


def test_who_may_send_an_idempotency_key_again(spec: Any) -> None:
    """Whoever runs a model needs the same scope, though the spec does not ask for it."""
    assert {path: spec["paths"][path]["post"].get("x-novai-scope", "inference") for path in SCOPES} == SCOPES


def test_the_app_serves_the_spec_itself_and_a_page_without_a_cdn(edge: Edge, spec: Any) -> None:
    assert httpx.get(f"{edge.url}/openapi.json").json() == spec
    assert yaml.safe_load(httpx.get(f"{edge.url}/openapi.yaml").text) == spec
    for path in ("/docs", "/docs/"):
        page = httpx.get(edge.url + path)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        links = re.findall(r'(?:src=|href=|url: )"([^"]+)"', page.text)
        assert len(links) == 4
        assert not any(link.startswith("/") for link in links)  # behind a prefix they lead there, too
        assert {urljoin(path, link) for link in links} <= DOCUMENTATION
        for link in links:
            assert httpx.get(urljoin(edge.url + path, link)).status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]


def test_every_path_but_the_open_ones_needs_a_key(edge: Edge) -> None:
    for method, path in served(edge) | {("GET", "/v1/unknown"), ("GET", "/admin"), ("POST", "/docs2")}:
        answer = httpx.request(method, edge.url + re.sub(r"\{\w+\}", "x", path))
        if path in OPEN_PATHS or path.startswith("/docs/"):
            assert answer.status_code in (200, 503), path
        else:
            assert answer.status_code == 401, path
            assert answer.json()["error"].get("code") is None


def test_every_operation_names_its_errors_and_headers(spec: Any) -> None:
    for path, item in spec["paths"].items():
        for operation in item.values():
            if not (isinstance(operation, dict) and "operationId" in operation):
                continue
            responses = operation["responses"]
            wanted = {"405", "500"} | ({"401", "403", "429"} if operation.get("security") != [] else set())
            if "requestBody" in operation:
                wanted |= {"400", "408", "413", "415", "503"}
                if operation["tags"][0] in MODELS_WORK:
                    wanted |= {"404", "502", "504"}
            if operation["tags"] == ["Messages"]:
                wanted = {"529" if code == "503" else code for code in wanted}
            assert wanted <= responses.keys(), path
            for code, response in responses.items():
                while "$ref" in response:
                    response = spec["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]  # noqa: PLW2901
                assert "x-request-id" in response["headers"], (path, code)
                assert ("request-id" in response["headers"]) is path.startswith("/v1/messages"), (path, code)


def test_every_operation_has_one_place_in_the_sdks(spec: Any) -> None:
    """All but those for load balancers; no two share a place, and none has the name of a resource below it."""
    described = {
        operation["operationId"]: operation
        for item in spec["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and "operationId" in operation and operation["tags"] != ["Health"]
    }
    places = [(operation["x-novai-resource"], operation["x-novai-method"]) for operation in described.values()]
    names = {".".join(place) for place in places}
    assert len(names) == len(places)
    assert not {name for name in names for resource, _ in places if f"{resource}.".startswith(f"{name}.")}
