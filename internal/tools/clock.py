"""What time it is, which no model knows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from internal.tools.base import Tool, ToolError


def told(now: datetime, zone: str) -> str:
    """An instant as it is told in a time zone of IANA's. Raises ToolError."""
    try:
        local = now.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):  # not there, not a name, a folder of names
        raise ToolError(
            f"There is no time zone {zone!r}. Give a name of IANA's, such as Europe/Berlin, or leave it out for UTC."
        ) from None
    return f"{local.isoformat(timespec='seconds')} ({local:%A}, {zone})"


async def call(arguments: dict[str, Any]) -> str:
    return told(datetime.now(UTC), arguments.get("timezone", "UTC"))


CURRENT_TIME = Tool(
    name="current_time",
    description="The current date, time and day of the week.",
    parameters="""{
        "type": "object",
        "properties": {
            "timezone": {"type": "string", "description": "A name of IANA's, such as Europe/Berlin. UTC without it."}
        },
        "additionalProperties": false
    }""",
    call=call,
)
