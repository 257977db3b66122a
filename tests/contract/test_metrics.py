"""What Prometheus is told of requests to the edge as it ships."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client import generate_latest

from api import metrics
from tests.edge import Edge


def counted(method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return metrics.REGISTRY.get_sample_value("novai_requests_total", labels) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/healthz", "/healthz", 200),
        ("GET", "/v1/models", "/v1/models", 200),
        ("GET", "/v1/models/nothing", "/v1/models/{model}", 404),
        ("GET", "/docs", "/docs", 200),
        ("DELETE", "/v1/models", "/v1/models", 405),
        ("POST", "/v1/chat/completions", "/v1/chat/completions", 400),
        ("GET", "/v1/invented", "unmatched", 404),
    ],
)
def test_requests_are_counted_by_the_path_of_the_spec(
    edge: Edge, http: httpx.Client, method: str, path: str, route: str, status: int
) -> None:
    before = counted(method, route, status)
    assert http.request(method, path, content=b"{}").status_code == status
    edge.run(edge.state.database.ping())  # whatever the loop had to do for the request is done
    assert counted(method, route, status) == before + 1
    assert "invented" not in generate_latest(metrics.REGISTRY).decode()
