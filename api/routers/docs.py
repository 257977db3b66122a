"""The contract itself, and a page to read and try it. Everything is served from here, nothing from a CDN.

The page is Swagger UI; its files come from the package `fastapi-offline`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from fastapi import APIRouter, Request, Response

SPEC = Path(__file__).parents[2] / "openapi" / "spec.yaml"
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon.png": "image/png",
}
# The page runs its own script and talks to this server only.
CSP = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Links are relative: a proxy may have put all of this behind a prefix.
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>NovAI API</title>
<link rel="icon" href="{root}docs/favicon.png">
<link rel="stylesheet" href="{root}docs/swagger-ui.css">
<style>body { margin: 0 } .swagger-ui .topbar { display: none }</style>
<div id="ui"></div>
<script src="{root}docs/swagger-ui-bundle.js"></script>
<script>
  SwaggerUIBundle({ url: "{root}openapi.json", dom_id: "#ui", deepLinking: true, persistAuthorization: true,
                    defaultModelsExpandDepth: 0, tryItOutEnabled: true, displayRequestDuration: true })
</script>
"""


@cache
def spec_json() -> bytes:
    spec: Any = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    return json.dumps(spec, ensure_ascii=False).encode()


@cache
def asset(name: str) -> bytes:
    package = importlib.util.find_spec("fastapi_offline")
    assert package is not None and package.origin is not None
    return (Path(package.origin).parent / "static" / name).read_bytes()


def add_docs(router: APIRouter) -> None:
    """The routes of the documentation; open to everyone, like the contract they show."""

    def serve(path: str, body: Any, media_type: str, **headers: str) -> None:
        async def endpoint(_request: Request) -> Response:
            content = await asyncio.to_thread(body)  # the first reader of the spec waits for its parsing, nobody else
            return Response(content, media_type=media_type, headers={"x-content-type-options": "nosniff", **headers})

        router.add_route(path, endpoint, methods=["GET"], include_in_schema=False)

    serve("/openapi.json", spec_json, "application/json")
    serve("/openapi.yaml", SPEC.read_bytes, "application/yaml; charset=utf-8")
    for path, root in (("/docs", ""), ("/docs/", "../")):
        page = PAGE.replace("{root}", root).encode()
        serve(path, lambda page=page: page, "text/html; charset=utf-8", **{"content-security-policy": CSP})
    serve("/favicon.ico", lambda: asset("favicon.png"), "image/png", **{"cache-control": "max-age=86400"})
    for name, media_type in ASSETS.items():
        serve(f"/docs/{name}", lambda name=name: asset(name), media_type, **{"cache-control": "max-age=86400"})
