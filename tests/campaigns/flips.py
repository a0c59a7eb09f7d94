"""Checkpoints damaged at random: the damage is detected, the checkpoint is set aside, and the previous one is used."""

import random
import shutil
from pathlib import Path
from typing import Any

from campaigns.tiny import StopAfter, recipe, train_or_resume
from penstroke.training.checkpoint import FILES, MANIFEST, latest


def damage(folder: Path, count: int, seed: int = 0) -> dict[str, Any]:
    """Damage the newer of two checkpoints ``count`` times, each time in one way."""
    run = train_or_resume(folder, recipe(), (StopAfter(8),))
    newest, before = run.checkpoints()
    good = {path.name: path.read_bytes() for path in newest.iterdir()}
    older = {path.name: path.read_bytes() for path in before.iterdir()}
    generator = random.Random(seed)
    kinds = {"flip": 0, "cut": 0, "longer": 0, "zeros": 0, "swap": 0, "older file": 0, "missing": 0}
    found: dict[str, Any] = {"trials": 0, "undetected": 0, "previous not used": 0, "kinds": kinds}
    while found["trials"] < count:
        kind = generator.choice(list(kinds))
        bad = _damaged(good, older, kind, generator)
        if bad == good:
            continue  # zeros in place of zeros
        for name in good:
            (newest / name).unlink()
        for name, content in bad.items():
            (newest / name).write_bytes(content)
        reports: list[str] = []
        last = latest(run, reports.append)
        found["undetected"] += not reports
        found["previous not used"] += last is None or last.folder != before
        shutil.rmtree(newest, ignore_errors=True)
        aside = newest.with_name(f"{newest.name}.rejected")
        found["undetected"] += {path.name: path.read_bytes() for path in aside.iterdir()} != bad
        aside.rename(newest)
        for name in good:
            (newest / name).write_bytes(good[name])
        kinds[kind] += 1
        found["trials"] += 1
    return found


def _damaged(good: dict[str, bytes], older: dict[str, bytes], kind: str, generator: random.Random) -> dict[str, bytes]:
    """Return the files of a checkpoint with one kind of damage."""
    bad = dict(good)
    name = generator.choice((*FILES, MANIFEST))
    content = bytearray(good[name])
    at = generator.randrange(len(content))
    match kind:
        case "flip":
            content[at] ^= 1 << generator.randrange(8)
        case "cut":
            del content[at:]
        case "longer":
            content += generator.randbytes(generator.randrange(1, 64))
        case "zeros":
            content[at : at + 512] = bytes(len(content[at : at + 512]))
        case "swap":
            other = generator.choice([file for file in good if file != name])
            bad[other], content = good[name], bytearray(good[other])
        case "older file":
            content = bytearray(older[name])
    bad[name] = bytes(content)
    if kind == "missing":
        del bad[name]
    return bad
