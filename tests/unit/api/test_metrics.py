from __future__ import annotations

from collections.abc import Callable

from prometheus_client import generate_latest

from api import metrics
from api.domain import UsageRecord


def value(line: str) -> float:
    found = [text for text in generate_latest(metrics.REGISTRY).decode().splitlines() if text.startswith(line + " ")]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


def test_usage_is_counted_by_model(usage_record: Callable[..., UsageRecord]) -> None:
    metrics.count_usage(usage_record(model="counted", ttft_ms=30.0))
    metrics.count_usage(usage_record(model="counted", ttft_ms=None, outcome="client_left"))
    assert value('novai_tokens_total{kind="prompt",model="counted"}') == 20
    assert value('novai_tokens_total{kind="cached",model="counted"}') == 8
    assert value('novai_tokens_total{kind="completion",model="counted"}') == 14
    assert value('novai_tokens_total{kind="reasoning",model="counted"}') == 4
    assert value('novai_outcomes_total{model="counted",outcome="client_left"}') == 1
    assert value('novai_ttft_seconds_bucket{le="0.05",model="counted"}') == 1
    assert value('novai_ttft_seconds_count{model="counted"}') == 1
