"""Makes the demo model from nothing: corpus and tokenizer, training, export, checks, evaluation, figures in the card.

    python models/novai-tiny/recipe/make.py --minutes 60

A run that was stopped goes on where it was when it is started again with the same ``--work`` folder.
"""

import argparse
import os
import time
from pathlib import Path

# Threads that wait must not spin: the machine may be shared. Read by libgomp when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

MODEL_FOLDER = Path(__file__).resolve().parent.parent


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="training time on the clock (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="seed of corpus and weights (default 1)")
    parser.add_argument("--processes", type=int, default=min(4, os.cpu_count() or 1), help="training processes")
    parser.add_argument("--each", type=int, default=50, help="held-out conversations for each skill (default 50)")
    parser.add_argument("--work", type=Path, default=MODEL_FOLDER / ".work", help="checkpoints (not committed)")
    parser.add_argument("--output", type=Path, default=MODEL_FOLDER, help="where the finished model goes")
    parser.add_argument("--nice", type=int, default=19, help="how far to step back behind other programs (default 19)")
    return parser.parse_args()


def _announce(step: str, begun: float) -> None:
    print(f"[{(time.monotonic() - begun) / 60:5.1f} min] {step}", flush=True)


def main() -> None:
    arguments = _arguments()
    os.nice(arguments.nice)
    # The heavy libraries are loaded after the command line is understood.
    from card import write_figures
    from checking import check_export
    from evaluating import evaluate
    from exporting import NAME, export_gguf, export_transformers, load_weights
    from tokenization import train_tokenizer
    from training import read_progress, train

    begun = time.monotonic()
    work: Path = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    tokenizer, weights = work / "tokenizer.json", work / "model.pt"
    if not tokenizer.exists():
        _announce("learning the tokenizer from generated conversations", begun)
        train_tokenizer(tokenizer, arguments.seed)
    if not weights.exists():
        _announce(f"training for {arguments.minutes:g} minutes", begun)
        train(work, tokenizer, arguments.minutes, arguments.seed, arguments.processes)
    _announce("exporting", begun)
    model = load_weights(weights)
    folder, gguf_path = arguments.output / "hf", arguments.output / f"{NAME}.Q8_0.gguf"
    export_transformers(model, tokenizer, folder)
    export_gguf(model, tokenizer, gguf_path)
    _announce("checking that both exports agree", begun)
    agreement = check_export(folder, gguf_path)
    _announce("evaluating on held-out conversations", begun)
    scores = evaluate(gguf_path, arguments.each, arguments.seed, failures=work / "failures.jsonl")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    write_figures(arguments.output / "README.md", read_progress(work), parameters, agreement, scores)
    _announce(f"done: {gguf_path}", begun)


if __name__ == "__main__":
    main()
