"""Trains for a given time: the learning rate follows the share of the time that has passed, so it always ends at zero.

Conversations are generated as they are needed, sorted by length into padded batches, and the loss counts only what the
assistant says. A checkpoint is written every two minutes; a restarted run goes on from it.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.distributed as dist
import torch.multiprocessing
from architecture import IGNORED, Student
from corpus import Conversation, conversation, drill, first_question
from muon import Muon
from priming import prime
from rendering import segments
from tokenizers import Tokenizer
from torch import Tensor

BATCH_TOKENS = 2048
LONGEST = 1024
POOL = 320
# Beside the mixture: the shares of drills in copying and of single first questions, each from a part of the time on.
STAGES = ((0.0, 0.3, 0.15), (0.4, 0.15, 0.3))
MATRIX_LR, VECTOR_LR, WEIGHT_DECAY = 4e-3, 2e-3, 0.05
WARM_UP_STEPS = 200
LONGEST_STEP_S = 10.0
CHECKPOINT_EVERY_S = 120


@dataclass
class Progress:
    """What a restart has to know, and what the model card tells."""

    seed: int
    budget_s: float
    processes: int = 1
    elapsed_s: float = 0.0
    steps: int = 0
    tokens: int = 0
    answer_tokens: int = 0
    restarts: int = 0
    loss: float = 0.0


Example = tuple[list[int], list[int]]


def _draw(rng: Random, share: float) -> Conversation:
    _, drills, first_questions = [stage for stage in STAGES if stage[0] <= share][-1]
    draw = rng.random()
    if draw < drills:
        return drill(rng)
    return first_question(rng) if draw < drills + first_questions else conversation(rng)


def examples(tokenizer: Tokenizer, rng: Random, share: Callable[[], float]) -> Iterator[list[Example]]:
    """Pools of tokenised conversations: ids, and the same ids as labels where the assistant speaks."""
    while True:
        pool: list[Example] = []
        drawn = [_draw(rng, share()) for _ in range(POOL)]
        pieces = [segments(one.messages, one.tools) for one in drawn]
        encoded = iter(tokenizer.encode_batch([text for parts in pieces for text, _ in parts]))
        for parts in pieces:
            ids: list[int] = []
            labels: list[int] = []
            for _, learned in parts:
                piece = next(encoded).ids
                ids += piece
                labels += piece if learned else [IGNORED] * len(piece)
            if len(ids) <= LONGEST:
                pool.append((ids, labels))
        yield pool


def batches(
    tokenizer: Tokenizer, rng: Random, most_tokens: int, share: Callable[[], float]
) -> Iterator[tuple[Tensor, Tensor]]:
    for pool in examples(tokenizer, rng, share):
        pool.sort(key=lambda example: len(example[0]))
        groups: list[list[Example]] = [[]]
        for example in pool:
            if len(example[0]) * (len(groups[-1]) + 1) > most_tokens:
                groups.append([])
            groups[-1].append(example)
        rng.shuffle(groups)
        for group in groups:
            width = max(len(ids) for ids, _ in group)
            x = torch.zeros(len(group), width, dtype=torch.long)
            y = torch.full((len(group), width), IGNORED, dtype=torch.long)
            for row, (ids, labels) in enumerate(group):
                x[row, : len(ids)] = torch.tensor(ids)
                y[row, : len(ids)] = torch.tensor(labels)
            yield x, y


def learning_rate(steps: int, share: float) -> float:
    """Warms up slowly, so that what was primed survives; holds to 45 % of the time, then falls in a line to zero."""
    return min(1.0, (steps + 1) / WARM_UP_STEPS, max(0.0, (1.0 - share) / 0.55))


def _save(path: Path, state: object) -> None:
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def _show(progress: Progress, rate: float) -> None:
    share = progress.elapsed_s / progress.budget_s
    bar = "#" * int(share * 30)
    line = (
        f"train [{bar:<30}] {share:4.0%}  step {progress.steps}  loss {progress.loss:.4f}  {rate:,.0f} tokens/s  "
        f"ETA {max(0.0, progress.budget_s - progress.elapsed_s) / 60:.1f} min"
    )
    print(line, end="\r" if sys.stdout.isatty() else "\n", flush=True)


def _averaged_gradients(model: Student, extra: Tensor) -> Tensor:
    """Averages the gradients over the processes, with ``extra`` riding along; returns its average."""
    parameters = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([extra, *(p.grad.reshape(-1) for p in parameters if p.grad is not None)])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, gradient in zip(parameters, flat[len(extra) :].split([p.numel() for p in parameters]), strict=True):
        p.grad = gradient.view_as(p)
    return flat[: len(extra)]


def _train_process(rank: int, processes: int, work: Path, tokenizer_path: Path, minutes: float, seed: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{work}/rendezvous", rank=rank, world_size=processes)
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    torch.manual_seed(seed)
    model = Student(tokenizer)
    prime(model)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    vectors = [p for name, p in model.named_parameters() if not (p.ndim == 2 and ".layers." in name)]
    muon = Muon(matrices, lr=MATRIX_LR, weight_decay=WEIGHT_DECAY)
    adam = torch.optim.AdamW(vectors, lr=VECTOR_LR, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    progress = Progress(seed=seed, budget_s=minutes * 60, processes=processes)
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(state["model"])
        muon.load_state_dict(state["muon"])
        adam.load_state_dict(state["adam"])
        progress = state["progress"]
        progress.budget_s = minutes * 60
        progress.restarts += 1
    rng = Random(f"train {seed} {progress.restarts} {rank}")
    model.train()
    stepped = saved = shown = time.monotonic()
    shown_tokens = progress.tokens
    for x, y in batches(tokenizer, rng, BATCH_TOKENS // processes, lambda: progress.elapsed_s / progress.budget_s):
        share = progress.elapsed_s / progress.budget_s
        if share >= 1.0:
            break
        for optimizer, peak in ((muon, MATRIX_LR), (adam, VECTOR_LR)):
            optimizer.param_groups[0]["lr"] = peak * learning_rate(progress.steps, share)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.answer_loss(x, y)
        loss.backward()
        took, stepped = time.monotonic() - stepped, time.monotonic()
        # A machine that was put to sleep in a step has not used up the time.
        counts = [loss.item(), float((x != 0).sum()), float((y != IGNORED).sum()), min(took, LONGEST_STEP_S)]
        mean_loss, tokens, answers, took = _averaged_gradients(model, torch.tensor(counts)).tolist()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        muon.step()
        adam.step()
        model.zero_grad(set_to_none=True)
        progress.steps += 1
        progress.tokens += round(tokens * processes)
        progress.answer_tokens += round(answers * processes)
        progress.loss = 0.98 * progress.loss + 0.02 * mean_loss if progress.steps > 1 else mean_loss
        progress.elapsed_s += took
        now = time.monotonic()
        if rank == 0 and now - shown > 15:
            _show(progress, (progress.tokens - shown_tokens) / (now - shown))
            shown, shown_tokens = now, progress.tokens
        if rank == 0 and now - saved > CHECKPOINT_EVERY_S:
            state = {"model": model.state_dict(), "muon": muon.state_dict(), "adam": adam.state_dict()}
            _save(checkpoint, {**state, "progress": progress})
            saved = now
    if rank == 0:
        _save(work / "model.pt", model.weights())
        _save(work / "progress.pt", progress)
        print()
    dist.destroy_process_group()


def train(work: Path, tokenizer_path: Path, minutes: float, seed: int, processes: int) -> Progress:
    """Leaves ``model.pt`` and ``progress.pt`` in ``work``.

    One single-threaded process per core: they wait for each other once a step instead of once an operation, which on a
    machine shared with others is twice as fast as threads.
    """
    (work / "rendezvous").unlink(missing_ok=True)
    arguments = (processes, work, tokenizer_path, minutes, seed)
    torch.multiprocessing.spawn(_train_process, args=arguments, nprocs=processes)
    return read_progress(work)


def read_progress(work: Path) -> Progress:
    progress: Progress = torch.load(work / "progress.pt", weights_only=False)
    return progress
