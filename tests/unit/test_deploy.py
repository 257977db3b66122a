"""What is deployed is what is developed: containers, dev stack and settings, held equal without a container engine."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.config import Settings
from internal.dev.redis_server import SETTINGS as REDIS_SETTINGS
from internal.dev.stack import StackSettings, services
from internal.dev.state import Secrets
from internal.model_host.settings import HostSettings, variable_of
from internal.tools.settings import ToolServerSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
with tempfile.TemporaryDirectory() as folder:  # making the table makes the passwords of the embedded servers
    STACK = services(
        StackSettings(
            host="127.0.0.1",
            port=8000,
            models=Path("m.yaml"),
            tools=Path("tools.yaml"),
            state=Path(folder),
            secrets=Secrets("pepper", "token"),
        )
    )

# What one side has alone, and why.
ONLY_COMPOSE = {"nginx": "the public edge's limits; developers talk to the api directly"}
ONLY_DEV = {"seed": "a key for the developer; an operator makes keys on purpose"}
SERVERS = {"postgres", "redis"}  # images there, wheels here


# ---------------------------------------------------------------- compose and dev stack


def test_the_same_processes() -> None:
    assert {row.name for row in STACK} - set(ONLY_DEV) == set(SERVICES) - set(ONLY_COMPOSE)
    assert set(ONLY_DEV) <= {row.name for row in STACK}
    assert set(ONLY_COMPOSE) <= set(SERVICES)
    once = {row.name for row in STACK if row.ready is None} - set(ONLY_DEV)
    assert once == {name for name, service in SERVICES.items() if service["restart"] == "no"}


@pytest.mark.parametrize("row", [row for row in STACK if row.name not in SERVERS | set(ONLY_DEV)], ids=lambda r: r.name)
def test_the_same_programs_and_settings(row: Any) -> None:
    service = SERVICES[row.name]
    assert service["command"] == ["python", *row.argv[1:]]
    given = {name for name, value in service["environment"].items() if value is not None}
    assert given == set(row.env)


@pytest.mark.parametrize("row", [row for row in STACK if row.name not in ONLY_DEV], ids=lambda r: r.name)
def test_compose_waits_for_what_dev_waits_for(row: Any) -> None:
    assert set(SERVICES[row.name].get("depends_on", {})) == set(row.after)


def test_every_setting_that_is_passed_exists() -> None:
    api = {field.name.upper() for field in dataclasses.fields(Settings)}
    host = {variable_of(field.name) for field in dataclasses.fields(HostSettings)}
    tools = {f"NOVAI_TOOLS_{field.name.upper()}" for field in dataclasses.fields(ToolServerSettings)}
    assert set(SERVICES["api"]["environment"]) <= api
    assert set(SERVICES["host"]["environment"]) == host  # all of them: what .env says reaches it only here
    assert set(SERVICES["tools"]["environment"]) == tools - {"NOVAI_TOOLS_GRPC_TOKEN"} | {"NOVAI_GRPC_TOKEN"}


def test_the_same_redis() -> None:
    [command] = SERVICES["redis"]["command"]
    for name in ("save", "appendonly", "maxmemory", "maxmemory-policy"):
        assert f"--{name} {REDIS_SETTINGS[name]}" in command


def test_containers_are_closed_and_bounded() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name == "postgres":
            continue
        assert service["read_only"] is True, name
        assert "build" in service or int(service["user"].split(":")[0]) >= 10000, name
    for name, service in SERVICES.items():
        assert re.search(r":\d", service["image"]) or "build" in service, f"{name}: no version"
        published = service.get("ports", [])
        assert not published or name == "nginx"
        assert name in ("nginx", "api", "worker") or service["networks"] == ["inside"], name
    assert COMPOSE["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize(
    ("service", "drain"),
    [("api", "DRAIN_S"), ("worker", "DRAIN_S"), ("host", "NOVAI_DRAIN_S"), ("tools", "NOVAI_TOOLS_DRAIN_S")],
)
def test_who_drains_has_the_time(service: str, drain: str) -> None:
    """Docker kills who has not ended after `stop_grace_period`, or ten seconds."""
    assert float(SERVICES[service].get("stop_grace_period", "10s").removesuffix("s")) >= float(example()[drain]) + 5


def test_no_secret_is_written_down() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("KEY_PEPPER", "NOVAI_GRPC_TOKEN", "POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        assert re.search(rf"\${{{name}:\?", text), f"{name} must be asked for, without a default"
        assert not re.search(rf"{name}: *[A-Za-z0-9]", text)


# ---------------------------------------------------------------- .env.example


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    found = [re.fullmatch(r"#?([A-Z][A-Z0-9_]*)=(.*)", line) for line in lines]
    names = [match.group(1) for match in found if match]
    assert len(names) == len(set(names)), "a setting is there twice"
    return {match.group(1): match.group(2) for match in found if match}


def defaults() -> dict[str, str]:
    api = {field.name.upper(): field.default for field in dataclasses.fields(Settings)}
    host = {variable_of(field.name): field.default for field in dataclasses.fields(HostSettings)}
    tools = {f"NOVAI_TOOLS_{field.name.upper()}": field.default for field in dataclasses.fields(ToolServerSettings)}
    del tools["NOVAI_TOOLS_GRPC_TOKEN"]  # it is NOVAI_GRPC_TOKEN
    return {name: "" if value is None else str(value) for name, value in (host | tools | api).items()}


def test_the_example_shows_every_setting_with_its_default() -> None:
    shown = example()
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert set(shown) == set(defaults()) | asked
    assert {name: shown[name] for name in defaults()} == defaults()


# ---------------------------------------------------------------- Dockerfiles


def stages(text: str) -> list[list[tuple[str, str]]]:
    """Instructions of each stage, continued lines joined, comments dropped."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: list[list[tuple[str, str]]] = []
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.upper() == "FROM":
            found.append([])
        if found:
            found[-1].append((word.upper(), rest.strip()))
    return found


def faults(text: str) -> set[str]:
    """What is wrong with a Dockerfile, by rule."""
    *builders, final = stages(text)
    images = re.findall(r"^ARG \w*IMAGE=(\S+)", text, re.MULTILINE)
    everything = [instruction for stage in [*builders, final] for instruction in stage]
    images += [rest.split()[0] for word, rest in everything if word == "FROM"]
    words = [word for word, _ in final]
    last_user = next((rest for word, rest in reversed(final) if word == "USER"), "root")
    uid = last_user.split(":")[0]
    rules = {
        "no build stage": not builders,
        "image without a version": any(
            not image.startswith("${") and not re.search(r":\d+(\.\d+){1,2}[-\w]*$", image) for image in images
        ),
        "user is not a number of 10000 or more": not (uid.isdigit() and int(uid) >= 10000),
        "work is done as root after USER": "USER" in words and "RUN" in words[words.index("USER") :],
        "no HEALTHCHECK": "HEALTHCHECK" not in words,
        "build tools in the final image": any(
            w == "RUN" and re.search(r"build-essential|gcc|g\+\+|cmake|\bgit\b|pip install", r) for w, r in final
        ),
        "command is a shell line": any(not r.startswith("[") for w, r in final if w in ("CMD", "ENTRYPOINT")),
        "not pinned by constraints.txt": "PIP_CONSTRAINT=/build/constraints.txt" not in text,
        "everything is copied": any(w == "COPY" and re.match(r"\.\s", r) for w, r in everything),
        "secret in the image": bool(re.search(r"(?i)^(ARG|ENV) .*(PEPPER|TOKEN|PASSWORD|SECRET)", text, re.MULTILINE)),
        "apt lists are left": any(
            "apt-get install" in r and "rm -rf /var/lib/apt/lists" not in r for _, r in everything
        ),
    }
    return {name for name, broken in rules.items() if broken}


@pytest.mark.parametrize("name", ["Dockerfile.api", "Dockerfile.inference"])
def test_dockerfiles_keep_the_rules(name: str) -> None:
    text = (ROOT / name).read_text()
    assert faults(text) == set()
    # The rules can fail: each of these breaks what its line says.
    assert "image without a version" in faults(text.replace("python:3.11.14-slim-bookworm", "python:latest"))
    assert "user is not a number of 10000 or more" in faults(re.sub(r"USER .*", "USER 0", text))
    assert "no HEALTHCHECK" in faults(re.sub(r"HEALTHCHECK [^\n]*\\\n[^\n]*", "", text))
    assert "build tools in the final image" in faults(text + "\nRUN apt-get install build-essential")
    assert "everything is copied" in faults(text + "\nCOPY . /app")


@pytest.mark.parametrize("name", ["Dockerfile.api", "Dockerfile.inference"])
def test_what_dockerfiles_copy_is_there_and_not_ignored(name: str) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for stage in stages((ROOT / name).read_text()):
        for word, rest in stage:
            if word == "COPY" and "--from" not in rest:
                for source in rest.split()[:-1]:
                    assert source in allowed, f"{source} is kept out by .dockerignore"
                    assert (ROOT / source).exists(), source


@pytest.mark.parametrize("name", ["Dockerfile.api", "Dockerfile.inference"])
def test_commands_in_images_can_be_run(name: str) -> None:
    for word, rest in stages((ROOT / name).read_text())[-1]:
        if word in ("CMD", "HEALTHCHECK"):
            python, option, program, *_ = json.loads(rest[rest.index("[") :])
            assert python == "python"
            if option == "-c":
                compile(program, name, "exec")
            else:
                assert importlib.util.find_spec(program) is not None


def test_each_image_has_its_own_side_of_the_house() -> None:
    copied = {
        name: {word for _, rest in stages((ROOT / name).read_text())[0] for word in rest.split()}
        for name in ("Dockerfile.api", "Dockerfile.inference")
    }
    assert "internal" not in copied["Dockerfile.api"]
    assert "api" not in copied["Dockerfile.inference"]
