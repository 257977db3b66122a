"""tools.yaml: what it says is taken, and whoever writes it wrong is told what."""

from __future__ import annotations

from pathlib import Path

import pytest

from internal.config import ConfigError
from internal.tool_server import origins
from internal.tools.file import Limits, load_tools
from internal.tools.settings import ToolServerSettings

ROOT = Path(__file__).parents[4]


def written(folder: Path, text: str) -> Path:
    path = folder / "tools.yaml"
    path.write_text(text)
    return path


def test_the_file_that_ships_offers_every_tool() -> None:
    assert load_tools(ROOT / "tools.yaml").tools == ["calculator", "current_time"]


def test_its_commented_example_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (ROOT / "tools.yaml").read_text().splitlines()
    example = "\n".join(line.removeprefix("# ") for line in lines[lines.index("# servers:") :])
    monkeypatch.setenv("TICKETS_AUTHORIZATION", "Bearer x")
    monkeypatch.setenv("OUR_TOOLS_TOKEN", "y")
    file = load_tools(written(tmp_path, example))
    assert [server.name for server in file.servers] == ["files", "tickets", "ours"]
    assert file.servers[2].limits == file.servers[0].limits == Limits()
    assert [origin.name for origin in origins(file)] == ["novai", "files", "tickets", "ours"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tools: calculator", "Expected `array`"),
        ("tolls: []", "unknown field `tolls`"),
        ("tools: [compass]", "there is no tool 'compass'. Name some of: calculator, current_time"),
        ("servers: [{name: a}]", "exactly one of `command`, `url`, `address`"),
        ("servers: [{name: a, url: 'https://x', address: 'x:1'}]", "exactly one"),
        ("servers: [{name: a, url: 'https://x', token: 'env:T'}]", "`token` belongs to `address`"),
        ("servers: [{name: a, address: 'x:1', env: {A: b}}]", "`env` belongs to `command`"),
        ("servers: [{name: a, url: 'ftp://x'}]", "begins with https"),
        ("servers: [{name: a b, address: 'x:1'}]", "a name has letters"),
        ("servers: [{name: novai, address: 'x:1'}]", "this name is taken"),
        ("servers: [{name: a, address: 'x:1'}, {name: a, address: 'y:1'}]", "this name is taken"),
        ("servers: [{name: a, address: 'x:1', prefix: 'a/'}]", "a `prefix` has"),
        ("servers: [{name: a, address: 'x:1', limits: {timeout_s: 0}}]", "`timeout_s` is above 0"),
        ("limits: {max_result_bytes: -1}", "`max_result_bytes` is above 0"),
        ("servers: [{name: a, address: 'x:1', timeout_s: 3}]", "unknown field `timeout_s`"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_tools(written(tmp_path, text))
    assert why in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_secrets_are_not_written_out(tmp_path: Path) -> None:
    file = load_tools(written(tmp_path, "servers: [{name: a, address: 'x:1', token: hunter2}]"))
    with pytest.raises(ConfigError, match="a secret is written out") as caught:
        origins(file)
    assert "hunter2" not in str(caught.value)


def test_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NOVAI_TOOLS_FILE"):
        load_tools(tmp_path / "tools.yaml")


def test_settings() -> None:
    settings = ToolServerSettings.from_env({"NOVAI_TOOLS_FILE": "/t.yaml", "NOVAI_TOOLS_DRAIN_S": "2.5"})
    assert (settings.file, settings.drain_s, settings.listen) == (Path("/t.yaml"), 2.5, "127.0.0.1:50052")
    for drain_s in ("soon", "-1", "nan", "inf", "1e10"):
        with pytest.raises(ConfigError, match=f"NOVAI_TOOLS_DRAIN_S='{drain_s}'"):
            ToolServerSettings.from_env({"NOVAI_TOOLS_DRAIN_S": drain_s})
    with pytest.raises(ConfigError, match="NOVAI_TOOLS_LISTEN"):
        ToolServerSettings.from_env({"NOVAI_TOOLS_LISTEN": "127.0.0.1:99999"})
    with pytest.raises(ConfigError, match="NOVAI_GRPC_TOKEN"):
        ToolServerSettings.from_env({"NOVAI_TOOLS_LISTEN": "0.0.0.0:50052"})
    with pytest.raises(ConfigError, match=r"^NOVAI_GRPC_TOKEN has characters"):
        ToolServerSettings.from_env({"NOVAI_GRPC_TOKEN": "größe"})
