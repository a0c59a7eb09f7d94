"""The installed packages, and whether vulnerabilities are known in them: ``make audit``.

Writes the list of installed packages (an SBOM in CycloneDX's format) to ``build/sbom.json``, and queries the known
vulnerabilities of every pinned version. Without an answer for each of them, the audit does not pass.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SBOM = Path("build/sbom.json")
CONSTRAINTS = Path("constraints.txt")
CLEAN, VULNERABLE, NO_ANSWER = 0, 5, 3


def write_sbom() -> int:
    """Write the SBOM of this Python environment and return its number of packages."""
    SBOM.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-format", "JSON", "-o", str(SBOM)]
    subprocess.run([*command, sys.executable], check=True)
    return len(json.loads(SBOM.read_text(encoding="utf-8"))["components"])


def query() -> tuple[str, str]:
    """Return pip-audit's output for the pinned versions, and its error output."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


def judge(output: str, errors: str, pinned: int) -> tuple[int, str]:
    """Return an exit code and a message for pip-audit's output on ``pinned`` versions.

    A version that pip-audit skips, because its index does not list it or cannot be reached, has no answer, although
    pip-audit reports that no vulnerabilities are known.
    """
    try:
        found: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (errors.strip().splitlines() or ["no output"])[-1]
        return NO_ANSWER, f"NOT PASSED: the index of known vulnerabilities gave no answer ({last[:200]})"
    vulnerable = [f"{part['name']} {part['version']}: {hole['id']}" for part in found for hole in part.get("vulns", [])]
    answered = sum("vulns" in part for part in found)
    if vulnerable:
        return VULNERABLE, "NOT PASSED: known vulnerabilities in " + "; ".join(vulnerable)
    if answered < pinned:
        return (
            NO_ANSWER,
            f"NOT PASSED: {answered} of {pinned} pinned versions have an answer; no vulnerability is known in those",
        )
    return CLEAN, f"passed: no vulnerabilities are known in {answered} pinned versions"


def main() -> int:
    """Write the SBOM, query the vulnerabilities, print the result and return the exit code."""
    print(f"{write_sbom()} packages are listed in {SBOM}")
    pinned = sum("==" in line for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines())
    code, message = judge(*query(), pinned)
    print(message)
    return code


if __name__ == "__main__":
    sys.exit(main())
