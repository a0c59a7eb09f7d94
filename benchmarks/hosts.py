"""Training on two hosts, and a model of the cost on many: ``python -m benchmarks.hosts [--repeats 3] [--outage 30]``.

The hosts are two network namespaces of this machine, connected by a virtual cable with a bandwidth of 1 Gbit/s. They
need root and the programs ``ip`` and ``tc`` of Debian's package iproute2. Run nothing else at the same time. Measured:

- the seconds of an epoch of MNIST in one process, in two on one host, and in one on each of two hosts;
- the seconds of the messages of a step, alone, on one host and between two;
- a training of which the cable is cut for some seconds, and whether its weights are those without the outage.

``benchmarks/results/hosts.json`` gets the figures.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cyclopts
from safetensors.numpy import load_file

from benchmarks.conditions import save_result, summary
from penstroke.runs import Run

ROOT = Path(__file__).parent.parent
STEPS = {"book, batches of 512": 118, "fast": 235, "robust": 211}
"""Steps of an epoch."""
SHORT_MESSAGES = {"robust": 13}
"""Messages of a step besides the gradients: two for each layer of batch normalisation, and one for requests to stop."""
CASES = {
    "book, batches of 512": ("book", "--batch-size", "512", "--epochs", "1", "--no-test-each-epoch"),
    "fast": ("fast", "--epochs", "1"),
    "robust": ("robust", "--epochs", "1"),
}
NAMES = ("penstroke-a", "penstroke-b")
ADDRESSES = ("10.97.0.1", "10.97.0.2")
RATE = "1gbit"


@contextlib.contextmanager
def hosts() -> Iterator[None]:
    """Create two hosts that are connected by a cable, and remove them at the end of the block."""
    remove()
    try:
        for name in NAMES:
            run("ip", "netns", "add", name)
        cable = ["type", "veth", "peer", "name", "cable", "netns", NAMES[1]]
        run("ip", "link", "add", "cable", "netns", NAMES[0], *cable)
        for name, address in zip(NAMES, ADDRESSES, strict=True):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "cable")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "link", "set", "cable", "up")
            limit = ["tbf", "rate", RATE, "burst", "256k", "latency", "20ms"]
            run("tc", "-n", name, "qdisc", "add", "dev", "cable", "root", *limit)
        yield
    finally:
        remove()


def run(*words: str) -> None:
    """Run a command."""
    subprocess.run(words, check=True)


def remove() -> None:
    """Remove the hosts, if they exist."""
    for name in NAMES:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def launch(words: Sequence[str], machines: int, processes: int, job: str) -> "list[subprocess.Popen[str]]":
    """Start torchrun on one or both hosts.

    Args:
        words: the program and its arguments.
        machines: number of hosts.
        processes: number of processes of each host.
        job: name of the launch.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "cable" if machines > 1 else "lo"}
    environment |= {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(machines)]
    launcher += ["--nproc-per-node", str(processes), "--rdzv-id", job, "--rdzv-backend", "c10d"]
    launcher += ["--rdzv-endpoint", f"{ADDRESSES[0] if machines > 1 else '127.0.0.1'}:29411"]
    return [
        subprocess.Popen(
            # Both hosts have the same name, so torchrun must be told which of them is the endpoint.
            [
                *["ip", "netns", "exec", name],
                *launcher,
                "--rdzv-conf",
                f"is_host={int(name == NAMES[0])}",
                "--local-addr",
                address,
                *words,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        for name, address in list(zip(NAMES, ADDRESSES, strict=True))[:machines]
    ]


def finish(processes: "list[subprocess.Popen[str]]") -> None:
    """Wait for all processes.

    Raises:
        SystemExit: one of them failed.
    """
    texts = [process.communicate()[1] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("\n".join(text[-2000:] for text in texts))


def train(case: str, machines: int, processes: int, folder: Path, outage: float = 0) -> dict[str, Any]:
    """Train a recipe, and return what its run records.

    Args:
        case: one of ``CASES``.
        machines: number of hosts.
        processes: number of processes of each host.
        folder: folder of the run.
        outage: seconds for which the cable is cut, after the first checkpoint.
    """
    words = ["-m", "penstroke", "train", *CASES[case], "--data", "mnist", "--out", str(folder), "--json"]
    running = launch([*words, "--checkpoint-every", "20" if outage else "never"], machines, processes, folder.name)
    if outage:
        while not list(folder.glob("checkpoints/*/state.json")):
            if any(process.poll() is not None for process in running):
                finish(running)
            time.sleep(0.05)
        run("ip", "-n", NAMES[1], "link", "set", "cable", "down")
        time.sleep(outage)
        run("ip", "-n", NAMES[1], "link", "set", "cable", "up")
    finish(running)
    record = Run(folder).record
    print(f"  {case}: {machines} x {processes}: {record.seconds:.2f} s, {record.state}", flush=True)
    return {"seconds": record.epochs[0]["seconds"], "state": record.state, "resumptions": len(record.resumed)}


def messages(machines: int) -> dict[str, dict[str, float]]:
    """Return the seconds of an all-reduce and of an exchange between two processes, by number of bytes."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home, "messages.json")
        finish(launch(["-m", "benchmarks.messages", str(path)], machines, 2 // machines, "messages"))
        found: dict[str, dict[str, float]] = json.loads(path.read_text())
        return found


def equal(first: Path, second: Path) -> bool:
    """Return whether two runs have the same weights."""
    weights, others = (load_file(folder / "model.safetensors") for folder in (first, second))
    return all((weights[name] == others[name]).all() for name in weights)


def main(*, repeats: int = 3, outage: float = 30) -> None:
    """Measure.

    Args:
        repeats: number of times that each training is measured.
        outage: seconds for which the cable is cut.
    """
    results: dict[str, Any] = {"rate": RATE, "outage": outage}
    with hosts(), tempfile.TemporaryDirectory() as home:
        results["messages"] = {"one host": messages(1), "two hosts": messages(2)}
        print(json.dumps(results["messages"]), flush=True)
        trainings: dict[str, dict[str, list[float]]] = {case: {} for case in CASES}
        for case in CASES:
            for repeat in range(repeats):
                for machines, processes in ((1, 1), (1, 2), (2, 1)):
                    folder = Path(home, f"{case.split(',')[0]}-{machines}-{processes}-{repeat}")
                    row = train(case, machines, processes, folder)
                    trainings[case].setdefault(f"{machines}x{processes}", []).append(row["seconds"])
            weights = load_file(Path(home, f"{case.split(',')[0]}-1-1-0") / "model.safetensors")
            results.setdefault("parameters", {})[case] = sum(weight.size for weight in weights.values())
        results["trainings"] = {
            case: {layout: summary(seconds) for layout, seconds in rows.items()} for case, rows in trainings.items()
        }
        cut = train("book, batches of 512", 2, 1, Path(home, "cut"), outage)
        results["cut"] = cut | {"equal": equal(Path(home, "cut"), Path(home, "book-2-1-0"))}
        print(json.dumps(results["cut"]), flush=True)
    print(save_result("hosts", results))


if __name__ == "__main__":
    cyclopts.run(main)
