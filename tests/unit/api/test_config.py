from __future__ import annotations

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
