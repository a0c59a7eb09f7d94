"""What Penstroke is made of, and whether holes are known in it: ``make audit``.

Writes the list of all that is installed (an SBOM in CycloneDX's form) to ``build/sbom.json``, and asks for the known
holes of every pinned version. Without an answer for each of them, nothing is passed.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SBOM = Path("build/sbom.json")
CONSTRAINTS = Path("constraints.txt")
CLEAN, HOLES, NO_ANSWER = 0, 5, 3


def list_parts() -> int:
    """Write the SBOM of this Python's environment, and return how many parts it has."""
    SBOM.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-format", "JSON", "-o", str(SBOM)]
    subprocess.run([*command, sys.executable], check=True)
    return len(json.loads(SBOM.read_text(encoding="utf-8"))["components"])


def ask() -> tuple[str, str]:
    """Return what pip-audit prints for the pinned versions, and what it complains of."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


def judge(answer: str, complaint: str, pinned: int) -> tuple[int, str]:
    """Return an exit code and a sentence for what pip-audit said of ``pinned`` versions.

    A version that it skips, since its index does not know it or cannot be reached, is one without an answer, though
    pip-audit itself then reports that no holes are known.
    """
    try:
        found: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (complaint.strip().splitlines() or ["it said nothing"])[-1]
        return NO_ANSWER, f"NOT PASSED: the index of known holes gave no answer ({last[:200]})"
    holes = [f"{part['name']} {part['version']}: {hole['id']}" for part in found for hole in part.get("vulns", [])]
    answered = sum("vulns" in part for part in found)
    if holes:
        return HOLES, "NOT PASSED: known holes in " + "; ".join(holes)
    if answered < pinned:
        return (
            NO_ANSWER,
            f"NOT PASSED: answers came for {answered} of {pinned} pinned versions; no hole is known in those",
        )
    return CLEAN, f"passed: no holes are known in {answered} pinned versions"


def main() -> int:
    """List the parts, ask, say what came, and return the exit code."""
    print(f"{list_parts()} parts are listed in {SBOM}")
    pinned = sum("==" in line for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines())
    code, sentence = judge(*ask(), pinned)
    print(sentence)
    return code


if __name__ == "__main__":
    sys.exit(main())
