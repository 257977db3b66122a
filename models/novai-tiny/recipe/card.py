"""Puts what was measured into the model card, between its markers; the prose around them is written by hand."""

from collections.abc import Sequence
from pathlib import Path

from checking import Agreement
from evaluating import Score
from training import Progress

BEGIN, FINISH = "<!-- figures: begin (written by recipe/make.py) -->", "<!-- figures: end -->"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [" | ".join(("", *row, "")).strip() for row in (head, ["---"] * len(head), *rows)]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def figures(progress: Progress, parameters: int, agreement: Agreement, scores: dict[str, Score]) -> str:
    facts = [
        ("parameters", f"{parameters:,}"),
        ("training time", f"{progress.elapsed_s / 60:.0f} minutes, {progress.processes} CPU processes"),
        ("steps", f"{progress.steps:,}"),
        ("tokens seen", f"{progress.tokens:,}, of these {progress.answer_tokens:,} answers, which the loss counts"),
        ("final loss on answers", f"{progress.loss:.3f} nats per token"),
        ("greedy answers equal in GGUF and transformers", f"{agreement.equal} of {agreement.asked}"),
    ]
    rows = [
        (skill, str(score.asked), _percent(score.formed, score.asked), _percent(score.right, score.asked))
        for skill, score in scores.items()
    ]
    lines = _table(("", ""), facts)
    lines += ["", *_table(("skill (held out)", "asked", "right form", "exactly right"), rows)]
    lines += ["", "What it said to some first questions (greedy, from the GGUF file):", ""]
    for prompt, answer in agreement.answers.items():
        quoted = answer.replace("\n", "\n  > ")
        lines.append(f"- **{prompt}**\n\n  > {quoted}\n")
    return "\n".join(lines).rstrip("\n")


def write_figures(
    card: Path, progress: Progress, parameters: int, agreement: Agreement, scores: dict[str, Score]
) -> None:
    """Replaces what is between the markers; a card without them is made of the figures alone."""
    text = card.read_text() if card.exists() else f"{BEGIN}\n{FINISH}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(FINISH)
    card.write_text(f"{before}{BEGIN}\n\n{figures(progress, parameters, agreement, scores)}\n\n{FINISH}{after}")
