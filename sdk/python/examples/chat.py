"""A conversation: whole, streamed, in a form, with a tool.

NOVAI_BASE_URL, NOVAI_API_KEY and NOVAI_MODEL say where and what.
"""

from __future__ import annotations

import os
from typing import Literal

from pydantic import BaseModel, Field

from novai import NovAI, params, pydantic_function_tool

MODEL = os.environ.get("NOVAI_MODEL", "novai-tiny")


class Ticket(BaseModel):
    title: str = Field(max_length=60)
    priority: Literal["low", "high"]


class Weather(BaseModel):
    """The weather of a city."""

    city: str = Field(max_length=40)


def main() -> None:
    with NovAI() as client:
        messages: list[params.ChatMessage] = [{"role": "user", "content": "Hello"}]
        answer = client.chat.completions.create(model=MODEL, messages=messages)
        print(answer.choices[0].message.content, answer.usage.total_tokens)
        messages.append(answer.choices[0].message)
        messages.append({"role": "user", "content": "Go on"})

        with client.chat.completions.create(model=MODEL, messages=messages, stream=True, max_tokens=32) as stream:
            for chunk in stream:
                print(chunk.choices[0].delta.content or "", end="", flush=True)
        print()

        with client.chat.completions.stream(model=MODEL, messages=messages, max_tokens=32) as events:
            for event in events:
                if event.type == "content.delta":
                    print(event.delta, end="", flush=True)
            print("", events.get_final_completion().choices[0].finish_reason)


def tickets() -> None:
    with NovAI() as client:
        filed = client.chat.completions.parse(
            model=MODEL, messages=[{"role": "user", "content": "The login page is down"}], response_format=Ticket
        )
        if ticket := filed.choices[0].message.parsed:
            print(ticket.priority, ticket.title)

        asked = client.chat.completions.parse(
            model=MODEL,
            messages=[{"role": "user", "content": "How is the weather in Oslo?"}],
            tools=[pydantic_function_tool(Weather)],
            tool_choice="required",
        )
        for call in asked.choices[0].message.tool_calls or []:
            print(call.function.name, call.function.parsed_arguments)


if __name__ == "__main__":
    main()
    tickets()
