"""Rules that bodies of any size pass in time."""

from __future__ import annotations

from api.generated import schemas as s
from api.rules import check_response


class Name(str):
    """Counts how often it is compared with another one."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_many_tools_are_not_compared_with_each_other() -> None:
    tools = [
        s.ResponseServerTools(server_label="novai", allowed_tools=[Name(f"{server} {tool}") for tool in range(128)])
        for server in range(128)
    ]
    check_response(s.ResponseRequest(model="novai-tiny", input="hello", tools=[*tools]))
    assert Name.compared < 128 * 128
