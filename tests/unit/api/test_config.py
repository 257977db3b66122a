from __future__ import annotations

from dataclasses import fields

import pytest

from api.config import Settings, SettingsError


def read(**env: str) -> Settings:
    return Settings.from_env({"KEY_PEPPER": "p"} | env)


def test_proxies_are_addresses_and_networks() -> None:
    assert read().proxies == []
    assert read(TRUSTED_PROXIES=" 10.0.0.1, 172.16.0.0/12,fd00::/8 ,").proxies == [
        "10.0.0.1",
        "172.16.0.0/12",
        "fd00::/8",
    ]


@pytest.mark.parametrize("text", ["*", "nginx", "10.0.0.1/8", "10.0.0.0/8,10.0.0"])
def test_a_proxy_that_is_none_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="TRUSTED_PROXIES"):
        read(TRUSTED_PROXIES=text)


def test_model_hosts_are_addresses() -> None:
    assert read(INFERENCE_GRPC_HOST="a:1, [::1]:65535,").model_hosts == ["a:1", "[::1]:65535"]
    assert read(INFERENCE_GRPC_HOST="a:1", EMBEDDING_GRPC_HOST="b:2").model_hosts == ["a:1", "b:2"]


@pytest.mark.parametrize("name", ["INFERENCE_GRPC_HOST", "EMBEDDING_GRPC_HOST", "TOOLS_GRPC_HOST"])
@pytest.mark.parametrize(
    "text", ["host", "host:", ":50051", "host:0", "host:65536", "host:-1", "a:1,host:x", "no..name:1"]
)
def test_an_address_that_is_none_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: .* is no address"):
        read(**{name: text})


@pytest.mark.parametrize("name", ["API_HOST", "METRICS_HOST"])
@pytest.mark.parametrize("text", ["no..name", "0.0.0.0 ", "x" * 64])
def test_a_host_that_is_none_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}='{text}' is no host"):
        read(**{name: text})


@pytest.mark.parametrize("text", ["secret\n", "größe"])
def test_a_token_that_no_header_takes_is_refused_and_not_told(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^NOVAI_GRPC_TOKEN has characters") as refused:
        read(NOVAI_GRPC_TOKEN=text)
    assert text not in str(refused.value)


@pytest.mark.parametrize("text", ["https://example.com", "example.com/images", "a.com b.com"])
def test_a_host_of_images_is_a_name(text: str) -> None:
    assert read(IMAGE_URL_HOSTS="*.example.com, 10.0.0.1,*")
    with pytest.raises(SettingsError, match=f"^IMAGE_URL_HOSTS: '{text}' is no host"):
        read(IMAGE_URL_HOSTS=f"example.com,{text}")


def test_origins_are_as_browsers_write_them() -> None:
    assert read().origins == []
    assert read(CORS_ORIGINS="*").origins == ["*"]
    known = ["https://app.example.com", "http://localhost:3000", "http://[::1]:3000", "capacitor://localhost", "null"]
    assert read(CORS_ORIGINS=f" {', '.join(known)},").origins == known


@pytest.mark.parametrize(
    "text", ["https://app.example.com/", "app.example.com", "https://App.example.com", "https://a.com/x", "https://a b"]
)
def test_an_origin_that_no_browser_sends_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        read(CORS_ORIGINS=f"http://localhost:3000,{text}")


@pytest.mark.parametrize("mode", ["strict", "all_except_health", "off"])
def test_auth_modes(mode: str) -> None:
    assert read(AUTH_MODE=mode, API_HOST="0.0.0.0").auth == mode
    with pytest.raises(SettingsError, match="AUTH_MODE"):
        read(AUTH_MODE=f"{mode}!")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("API_PORT", "99999"),  # the kernel would listen on another one, 34463
        ("API_PORT", ""),
        ("METRICS_PORT", "-1"),
        ("DB_POOL_SIZE", "0"),
        ("DB_POOL_SIZE", "10001"),  # each has a place from the start
        ("MAX_BODY_BYTES", "8MB"),
        ("MAX_REQUESTS_IN_FLIGHT", "1e3"),
        ("RESPONSE_RETENTION_DAYS", "1000000000"),
        ("KEEPALIVE_S", "0"),
        ("INTER_TOKEN_TIMEOUT_S", "-1"),
        ("FIRST_TOKEN_TIMEOUT_S", "nan"),
        ("DRAIN_S", "inf"),
        ("DB_TIMEOUT_S", "5s"),
    ],
)
def test_a_number_that_cannot_work_is_named_with_what_can(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}='{text}': expected a (whole )?number from [0-9.]+ to [0-9]+$"):
        read(**{name: text})


def test_the_default_of_every_number_is_within_its_bounds() -> None:
    numbers = {row.name: row.default for row in fields(Settings) if isinstance(row.default, int | float)}
    assert len(numbers) > 20
    written = read(**{name.upper(): str(number) for name, number in numbers.items()} | {"METRICS_PORT": "0"})
    assert {name: getattr(written, name) for name in numbers} == numbers
    assert read(LEDGER_SWEEP_S="0", FILES_SWEEP_S="0", DRAIN_S="0").drain_s == 0
