from __future__ import annotations

import pytest

from internal.errors import InvalidRequestError
from internal.inference.backends.scripted import read


@pytest.mark.parametrize("script", ['{"say": "a"}', "[1]", '[{"foo": 5}]', '[{"say": 5}]', '[{"count": -1}]', "[{}]"])
def test_a_script_that_cannot_be_played_is_refused_before_it_begins(script: str) -> None:
    with pytest.raises(InvalidRequestError, match="script"):
        list(read(script))


def test_a_step_does_one_thing() -> None:
    assert list(read('[{"say": "a"}, {"hang": true}]')) == [("say", "a"), ("hang", True)]
    with pytest.raises(InvalidRequestError, match="step 0"):
        list(read('[{"say": "a", "wait_ms": 5}]'))
