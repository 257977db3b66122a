from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from internal.config import ConfigError, ModelConfig
from internal.inference.backends import load_backend
from internal.upstream.options import UpstreamOptions, check, header_lines, name_of
from internal.upstream.secrets import read_secret

SECRET = "sk-very-secret"


def options(**given: Any) -> UpstreamOptions:
    return msgspec.convert({"base_url": "https://api.example.com/v1", "model": "m"} | given, UpstreamOptions)


def test_a_secret_is_read_from_a_file_and_shown_to_nobody(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"  {SECRET}\n")
    secret = read_secret(f"file:{file}")
    assert secret.reveal() == SECRET
    assert SECRET not in f"{secret!r} {secret} {[secret]}"


@pytest.mark.parametrize("content", ["", " \n", "two\nlines", "bad\x00byte", "schlüssel"])
def test_what_cannot_be_a_secret_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(ConfigError) as refused:
        read_secret(f"file:{file}")
    assert "lines" not in str(refused.value)


@pytest.mark.parametrize("reference", [SECRET, "env:NOVAI_TEST_NEVER_SET", "file:/nowhere/at/all"])
def test_a_key_is_named_not_written(reference: str) -> None:
    config = ModelConfig(
        name="m",
        kind="chat",
        backend="openai_compatible",
        options={"base_url": "http://127.0.0.1:1/v1", "model": "m", "keys": [reference]},
    )
    with pytest.raises(ConfigError) as refused:
        load_backend(config)
    assert SECRET not in str(refused.value)
    assert str(refused.value).startswith("model 'm': ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "ftp://api.example.com"},
        {"base_url": "api.example.com"},
        *({"base_url": f"http://{address}/v1"} for address in ("a:99999", "a:x", "a:0", "[::1", "a..b", "a" * 64)),
        {"base_url": f"https://user:{SECRET}@api.example.com"},
        {"base_url": f"https://:{SECRET}@api.example.com"},
        {"base_url": f"https://{SECRET}@api.example.com"},
        {"base_url": f"https://user:{SECRET}@api.example.com?a=b"},
        {"base_url": f"https://api.example.com?key={SECRET}"},
        {"base_url": "https://api.example.com#v1"},
        {"name": "zwölf"},
        {"name": "two\nlines"},
    ],
)
def test_what_cannot_work_is_refused_at_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        check(options(**wrong))
    assert SECRET not in str(refused.value)


def test_headers_may_be_references_and_secrets_have_to_be(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    headers = {"X-Title": "NovAI", "api-key": f"file:{tmp_path}/key"}
    assert header_lines(options(headers=headers)) == f"x-title: NovAI\r\napi-key: {SECRET}\r\n".encode()
    for wrong in ({"Authorization": f"Bearer {SECRET}"}, {"x-a": "1\r\nx-b: 2"}, {"x a": "1"}, {"": "1"}, {"x": "ü"}):
        with pytest.raises(ConfigError) as refused:
            header_lines(options(headers=wrong))
        assert SECRET not in str(refused.value)


def test_a_url_that_is_refused_is_shown_without_what_may_be_secret() -> None:
    with pytest.raises(ConfigError, match=r"base_url 'api\.example\.com/v1': "):
        check(options(base_url=f"ftp://user:{SECRET}@api.example.com/v1?key={SECRET}"))


def test_an_upstream_without_a_name_is_called_by_its_host() -> None:
    assert name_of(options()) == "api.example.com"
    assert name_of(options(name="mine")) == "mine"


def test_unknown_options_and_fallbacks_are_refused() -> None:
    fixed = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    for wrong in ({"colour": 1}, {"attempts": 4}, {"fallbacks": [fixed | {"backend": "llamacpp"}]}):
        with pytest.raises(ConfigError):
            load_backend(ModelConfig(name="m", kind="chat", backend="anthropic", options=fixed | wrong))
