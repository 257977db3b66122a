"""The generator: what is committed is what it makes, and a new endpoint needs nothing but its description."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sdk.fault_server import Answer, FaultServer, events

ROOT = Path(__file__).parents[3]
SDK = ROOT / "sdk" / "python"
SPEC = ROOT / "openapi" / "spec.yaml"
CALLS = """
import asyncio, sys
from novai import AsyncNovAI, NovAI, types

with NovAI(base_url=sys.argv[1], api_key="k") as client:
    made = client.fleet.ships.launch("s 1", name="Ada", cargo=[{"weight_kg": 2.5}])
    assert isinstance(made, types.Ship) and made.state == "launched", made
    legs = list(client.fleet.ships.launch("s 1", name="Ada", stream=True))
    assert [type(leg) for leg in legs] == [types.ShipLeg] * 2 and legs[1].port == "Oslo", legs
    assert [ship.state for ship in client.fleet.ships.list(limit=1)] == ["launched", "lost"]
    assert client.fleet.ships.log("s 1").read() == b"\\\"a log\\\""

async def main():
    async with AsyncNovAI(base_url=sys.argv[1], api_key="k") as client:
        assert (await client.fleet.ships.launch("s 1", name="Ada")).state == "launched"

asyncio.run(main())
"""


def operation(resource: str, method: str, answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = {kind: {"schema": schema} for kind, schema in answers.items()}
    return {
        "operationId": f"{method}Ships",
        "tags": ["Health"],
        "summary": 'Hostile """ text \\d */ {{x}}',
        "x-novai-resource": resource,
        "x-novai-method": method,
        "responses": {"200": {"description": "OK", "content": content}},
        **more,
    }


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def with_ships(spec: dict[str, Any]) -> dict[str, Any]:
    """Three operations of a resource that the SDK has never heard of."""
    schemas: dict[str, Any] = {
        "Cargo": {"type": "object", "required": ["weight_kg"], "properties": {"weight_kg": {"type": "number"}}},
        "Launch": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "cargo": {"type": ["array", "null"], "items": ref("Cargo")},
                "stream": {"type": ["boolean", "null"], "x-novai-stream-flag": True},
                "class": {"type": "string", "description": 'A keyword. """ \\d'},
            },
        },
        "Ship": {"type": "object", "properties": {"id": {"type": "string"}, "state": {"type": "string"}}},
        "ShipLeg": {"type": "object", "required": ["port"], "properties": {"port": {"type": "string"}}},
        "ShipList": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"type": "array", "items": ref("Ship")}, "last_id": {"type": "string"}},
        },
    }
    ship_id = {"name": "ship_id", "in": "path", "required": True, "schema": {"type": "string"}}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
    after = {"name": "after", "in": "query", "schema": {"type": "string"}}
    launch = operation(
        "fleet.ships",
        "launch",
        {"application/json": ref("Ship"), "text/event-stream": {"type": "string"}},
        requestBody={"content": {"application/json": {"schema": ref("Launch")}}},
    )
    paths = {
        "/v1/ships/{ship_id}": {"post": launch | {"parameters": [ship_id], "x-novai-stream-item": "ShipLeg"}},
        "/v1/ships": {
            "get": operation("fleet.ships", "list", {"application/json": ref("ShipList")})
            | {"parameters": [limit, after], "x-novai-page": "last_id"}
        },
        "/v1/ships/{ship_id}/log": {
            "get": operation("fleet.ships", "log", {"application/octet-stream": {"type": "string", "format": "binary"}})
            | {"parameters": [ship_id]}
        },
    }
    components = spec["components"] | {"schemas": spec["components"]["schemas"] | schemas}
    return spec | {"paths": spec["paths"] | paths, "components": components}


def generate(spec: Path, out: Path) -> None:
    command = [sys.executable, str(ROOT / "openapi" / "codegen" / "sdk.py"), "python", str(spec), str(out)]
    subprocess.run(command, check=True)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the SDK, to be generated into."""
    copied = tmp_path / "sdk"
    shutil.copytree(SDK, copied, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache", ".ruff_cache"))
    return copied


def test_what_is_committed_is_what_is_generated(package: Path) -> None:
    generate(SPEC, package)
    names = ["__init__.py", "_client.py", "params.py", "resources.py", "types.py"]
    assert filecmp.cmpfiles(SDK / "novai", package / "novai", names, shallow=False) == (names, [], [])
    assert filecmp.cmp(SDK / "api.md", package / "api.md", shallow=False)


def test_a_new_endpoint(package: Path, faults: FaultServer, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(yaml.safe_dump(with_ships(yaml.safe_load(SPEC.read_text())), sort_keys=False))
    generate(spec, package)
    launched, lost = {"id": "1", "state": "launched"}, {"id": "2", "state": "lost"}
    faults.answers = [
        Answer(200, launched),
        Answer(pieces=events({"port": "Bergen"}, {"port": "Oslo"})),
        Answer(200, {"data": [launched], "last_id": "1", "has_more": True}),
        Answer(200, {"data": [lost], "last_id": "2", "has_more": False}),
        Answer(200, "a log"),
        Answer(200, launched),
    ]
    calls = tmp_path / "calls.py"
    calls.write_text(CALLS)
    environment = os.environ | {"PYTHONPATH": str(package)}
    subprocess.run([sys.executable, str(calls), faults.url], check=True, env=environment)
    assert [f"{request.method} {request.path}" for request in faults.requests] == [
        "POST /v1/ships/s%201", "POST /v1/ships/s%201", "GET /v1/ships?limit=1", "GET /v1/ships?limit=1&after=1",
        "GET /v1/ships/s%201/log", "POST /v1/ships/s%201",
    ]  # fmt: skip
    assert faults.requests[0].json == {"name": "Ada", "cargo": [{"weight_kg": 2.5}]}
    check = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "novai/resources.py"]
    subprocess.run(check, check=True, cwd=package, env=environment | {"MYPYPATH": str(package)})
