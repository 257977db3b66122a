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


@pytest.mark.parametrize("mode", ["strict", "all_except_health", "off"])
def test_auth_modes(mode: str) -> None:
    assert read(AUTH_MODE=mode, API_HOST="0.0.0.0").auth == mode
    with pytest.raises(SettingsError, match="AUTH_MODE"):
        read(AUTH_MODE=f"{mode}!")
