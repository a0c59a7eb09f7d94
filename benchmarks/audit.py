"""The audit of MNIST: ``python -m benchmarks.audit``.

Audits training and test images together, and reports the ranks of the 15 disputed labels of the test set among the
candidates of that set. The figures are written to ``benchmarks/results/audit.json``.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.conditions import save_result, seconds
from penstroke.data.disputed import MNIST_DISPUTED
from penstroke.runtime import environment


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "audit.json")

        def audit() -> None:
            command = [sys.executable, "-m", "penstroke", "data", "audit", "mnist", "--out", folder, "--json"]
            output.write_bytes(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

        took = seconds(audit)
        value = json.loads(output.read_text())
    ranks = {row["index"]: row["rank_in_split"] for row in value["candidates"] if row["split"] == "test"}
    disputed = {index: ranks.get(index) for index in MNIST_DISPUTED}
    kinds = [row["kind"] for row in value["duplicates"]]
    result = {
        "conditions": environment("cpu"),
        "seconds": took,
        "images": value["images"],
        "candidates": len(value["candidates"]),
        "candidates_in_test": len(ranks),
        "ranks_of_disputed": disputed,
        "among_first_60": sum(rank is not None and rank <= 60 for rank in disputed.values()),
        "exact_duplicates": kinds.count("exact"),
        "near_duplicates": kinds.count("near"),
        "blank": len(value["blank"]),
    }
    save_result("audit", result)


if __name__ == "__main__":
    main()
