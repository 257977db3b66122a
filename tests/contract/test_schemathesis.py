"""schemathesis against the running edge: what the spec says is what happens, for generated requests good and bad."""

from __future__ import annotations

import re
import uuid

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, unsupported_method

from api.bodies import REFUSED
from api.routers.docs import SPEC
from tests.edge import Edge
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(600)  # generating bodies takes long

# A body that is too long for its schema may be too long for the server, too; one that fits it may break a rule that
# JSON Schema cannot say: `CROSS_FIELD` are all the fields that have such rules.
REJECTED = ["400", "401", "403", "404", "405", "413", "415"]
ACCEPTED = ["200", "202", "400", "404", "409", "413", "503", "529"]
CROSS_FIELD = re.compile(
    r"stream_options|top_logprobs|messages(\[\d+\]\.content(\[\d+\]\.type)?)?|tools\[\d+\]\.function\.name|"
    r"tool_choice(\.function\.name|\.allowed_tools\.tools\[\d+\]\.function\.name)?|input|model|prompt|suffix|best_of|"
    r"response_format|structured_outputs|reasoning_effort|ignore_eos|stream_options\.continuous_usage_stats|logprobs|"
    r"tokens|n|tools\[\d+\]\.(server_url|connector_id|authorization|headers)|"
    r"tools\[\d+\]\.(name|type|input_schema|allowed_tools\[\d+\])|tool_choice\.(name|tools\[\d+\]\.name)|"
    r"output_config\.format|text\.format|"
    r"messages\[\d+\]\.content\[\d+\](\.content\[\d+\])?\.type|"
    r"input\[\d+\](\.id|\.(content|output)\[\d+\]\.(type|image_url))|previous_response_id|response_id|"
    r"file|expires_after\[seconds\]|input_file_id|endpoint|inputs\[\d+\]\..*|"
    r"source|host|start_date|group_by|after|project|scope|limits\[\d\]\.(name|burst)|\w+_usd(_per_mtok)?"
)
ADMIN = "/admin/"
ELSEWHERE = [ignored_auth, unsupported_method]  # test_spec.py and test_bad_input.py look at every path
config = schemathesis.Config.from_dict(
    {
        "checks": {
            "negative_data_rejection": {"expected-statuses": REJECTED},
            "positive_data_acceptance": {"expected-statuses": ACCEPTED},
        },
        "generation": {"with-security-parameters": False},
    }
)
schema = schemathesis.openapi.from_path(SPEC, config=config)


@schema.parametrize()
@settings(
    max_examples=60,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_operation(case: Case, edge: Edge, ours: Edge) -> None:
    admin = case.operation.path.startswith(ADMIN)
    url, key = (ours.url, ours.admin_key) if admin else (edge.url, edge.key)
    positive = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
    if positive and isinstance(case.body, dict) and case.media_type == "application/json":
        case.body |= {"project": "test"} if "project" in case.body else {}
        case.body |= {} if admin else {"model": MODEL}
    if positive and case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())  # the same one again belongs to another body
    headers = {"authorization": f"Bearer {key}"}
    answer = case.call_and_validate(base_url=url, headers=headers, excluded_checks=ELSEWHERE, timeout=20)
    if positive and answer.status_code == 400:
        error = answer.json()["error"]
        error = error.get("details", error)  # Anthropic's form
        # An unknown field may have any name. JSON Schema takes 6600.0 for an integer; here one is written as such.
        known = CROSS_FIELD.fullmatch(error["param"]) or error["param"] in REFUSED
        assert known or "got `float`" in answer.text, error
