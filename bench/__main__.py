"""`make bench`: every benchmark, one line of JSON each. Peers are added by calling a benchmark by itself."""

from __future__ import annotations

import argparse
import subprocess
import sys

RUNS = [
    ["bench.edge"],
    ["bench.engine", "models/novai-tiny/novai-tiny.Q8_0.gguf"],
    ["bench.constrained"],
    ["bench.embeddings"],
    ["bench.limiter"],
    ["bench.ledger"],
    ["bench.files"],
    ["bench.lifecycle"],
    ["bench.batch", "models/novai-tiny/novai-tiny.Q8_0.gguf", "--lines", "500"],
    ["bench.sdk"],
    ["bench.transformers"],
    ["bench.upstream"],
    ["bench.usage"],
]


def main() -> None:
    argparse.ArgumentParser(prog="python -m bench", description=__doc__).parse_args()
    for run in RUNS:
        print(f"# python -m {' '.join(run)}", flush=True)
        subprocess.run([sys.executable, "-m", *run], check=True)


if __name__ == "__main__":
    main()
