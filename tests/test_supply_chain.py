"""The audit of the installed packages passes only with an answer for every pinned version."""

import json

from campaigns import supply_chain


def test_an_audit_without_an_answer_does_not_pass() -> None:
    clean = {"name": "a", "version": "1", "vulns": []}
    vulnerable = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}]}
    skipped = {"name": "c", "skip_reason": "not found"}
    cases = [
        ([clean], 1, supply_chain.CLEAN),
        ([clean, skipped], 2, supply_chain.NO_ANSWER),
        ([clean, vulnerable, skipped], 3, supply_chain.VULNERABLE),
        ([clean], 2, supply_chain.NO_ANSWER),
    ]
    for packages, pinned, expected in cases:
        code, message = supply_chain.judge(json.dumps({"dependencies": packages}), "", pinned)
        assert code == expected
        assert message.startswith("passed" if code == supply_chain.CLEAN else "NOT PASSED")
    assert supply_chain.judge("", "ConnectionError: no network", 1) == (
        supply_chain.NO_ANSWER,
        "NOT PASSED: the index of known vulnerabilities gave no answer (ConnectionError: no network)",
    )
    assert (supply_chain.CLEAN, supply_chain.NO_ANSWER, supply_chain.VULNERABLE) == (0, 3, 5)
