"""Held-out conversations through the exported GGUF file, greedily, and one figure or two for each skill."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from corpus import SKILLS, Conversation, conversation_of
from llama_cpp import Llama
from rendering import END, START, assistant_text, rendered

_CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.DOTALL)
_STOPS = (0, 2)


@dataclass
class Score:
    """Of ``asked`` held-out conversations, how many were answered in the right form, and how many exactly right."""

    asked: int = 0
    formed: int = 0
    right: int = 0


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def _calls(text: str) -> list[Any]:
    return [_json(found) for found in _CALL.findall(text)]


def judge(conversation: Conversation, answer: str) -> tuple[bool, bool]:
    """Well-formed (valid JSON; the right tool), and exactly right."""
    if conversation.check == "json":
        value = _json(answer)
        return isinstance(value, dict), value in [_json(accepted) for accepted in conversation.accepts]
    if conversation.check == "call":
        wanted, made = _calls(assistant_text(conversation.messages[-1])), _calls(answer)
        names = [call["name"] for call in wanted]
        chosen = [call.get("name") if isinstance(call, dict) else None for call in made]
        return chosen == names, made in [wanted, *([_json(other)] for other in conversation.accepts)]
    right = answer in conversation.accepts
    return right, right


def greedy(llama: Llama, prompt: str, most_tokens: int = 280) -> str:
    """Keeps what a shared prefix has already put into the cache out of it: every prompt starts afresh."""
    tokens = llama.tokenize(prompt.encode(), add_bos=False, special=True)
    llama.reset()
    written: list[int] = []
    for token in llama.generate(tokens, temp=0.0, repeat_penalty=1.0):
        if token in _STOPS or len(written) >= most_tokens:
            break
        written.append(token)
    return llama.detokenize(written).decode(errors="replace")


def evaluate(gguf_path: Path, each: int, seed: int, failures: Path | None = None) -> dict[str, Score]:
    llama = Llama(str(gguf_path), n_ctx=2048, n_threads=1, verbose=False)
    scores: dict[str, Score] = {}
    wrong: list[dict[str, Any]] = []
    for skill in SKILLS:
        rng = Random(f"evaluate {seed} {skill}")
        for _ in range(each * 2 if skill == "tools" else each):
            one = conversation_of(skill, rng, held_out=True)
            prompt = rendered(one.messages[:-1], one.tools) + f"{START}assistant\n"
            answer = greedy(llama, prompt).removesuffix(END)
            formed, right = judge(one, answer)
            name = "parallel tool calls" if skill == "parallel calls" else one.skill
            score = scores.setdefault(name, Score())
            score.asked += 1
            score.formed += formed
            score.right += right
            if not right:
                last = one.messages[-2]["content"]
                wrong.append({"skill": name, "asked": last, "wanted": assistant_text(one.messages[-1]), "got": answer})
        print(f"evaluate  {skill}: " + ", ".join(f"{n} {s.right}/{s.asked}" for n, s in scores.items()), flush=True)
    if failures:
        failures.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in wrong))
    return scores
