"""Checkpoints damaged at random, by flips, cuts, swaps: each is noticed, kept aside, and the one before is used."""

import random
import shutil
from pathlib import Path
from typing import Any

from campaigns.tiny import StopAfter, go_on, recipe
from penstroke.training.checkpoint import FILES, MANIFEST, latest


def damages(folder: Path, count: int, seed: int = 0) -> dict[str, Any]:
    """Damage the newest of two checkpoints ``count`` times, each time in one way."""
    run = go_on(folder, recipe(), (StopAfter(8),))
    newest, before = run.generations()
    good = {path.name: path.read_bytes() for path in newest.iterdir()}
    older = {path.name: path.read_bytes() for path in before.iterdir()}
    luck = random.Random(seed)
    kinds = {"flip": 0, "cut": 0, "longer": 0, "zeros": 0, "swap": 0, "older file": 0, "missing": 0}
    found: dict[str, Any] = {"trials": 0, "unnoticed": 0, "previous not used": 0, "kinds": kinds}
    while found["trials"] < count:
        kind = luck.choice(list(kinds))
        bad = _damaged(good, older, kind, luck)
        if bad == good:
            continue  # zeros where zeros were
        for name in good:
            (newest / name).unlink()
        for name, content in bad.items():
            (newest / name).write_bytes(content)
        said: list[str] = []
        last = latest(run, said.append)
        found["unnoticed"] += not said
        found["previous not used"] += last is None or last.folder != before
        shutil.rmtree(newest, ignore_errors=True)
        aside = newest.with_name(f"{newest.name}.rejected")
        found["unnoticed"] += {path.name: path.read_bytes() for path in aside.iterdir()} != bad
        aside.rename(newest)
        for name in good:
            (newest / name).write_bytes(good[name])
        kinds[kind] += 1
        found["trials"] += 1
    return found


def _damaged(good: dict[str, bytes], older: dict[str, bytes], kind: str, luck: random.Random) -> dict[str, bytes]:
    """Return the files of a checkpoint with one kind of damage."""
    bad = dict(good)
    name = luck.choice((*FILES, MANIFEST))
    content = bytearray(good[name])
    at = luck.randrange(len(content))
    match kind:
        case "flip":
            content[at] ^= 1 << luck.randrange(8)
        case "cut":
            del content[at:]
        case "longer":
            content += luck.randbytes(luck.randrange(1, 64))
        case "zeros":
            content[at : at + 512] = bytes(len(content[at : at + 512]))
        case "swap":
            other = luck.choice([file for file in good if file != name])
            bad[other], content = good[name], bytearray(good[other])
        case "older file":
            content = bytearray(older[name])
    bad[name] = bytes(content)
    if kind == "missing":
        del bad[name]
    return bad
