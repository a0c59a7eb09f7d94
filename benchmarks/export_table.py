"""The tables of exported files, made from their saved figures."""

from typing import Any

from benchmarks.conditions import load_result

FORMATS = {
    "model.onnx": "`onnx`",
    "model-float16.onnx": "`onnx --precision float16`",
    "model-int8.onnx": "`onnx --precision int8`",
    "model-with-preparation.onnx": "`onnx --with-preparation`",
    "model.pt2": "`torch`",
    "model.npz": "`npz`",
    "web.html": "`web --single-file`",
}


def exports() -> str:
    """Return the table of sizes and differences of all formats."""
    models = load_result("export")["models"]
    rows = [
        f"| format | {' | '.join(map(_title, models))} |",
        f"|---|{'---|' * len(models)}",
        *(
            f"| {title} | {' | '.join(_cell(model['files'][file]) for model in models.values())} |"
            for file, title in FORMATS.items()
        ),
    ]
    counts = {name: model["files"]["model.onnx"]["parity"]["images"] for name, model in models.items()}
    images = ", ".join(f"{count:,} ({_title(name)})" for name, count in counts.items())
    return "\n".join(
        [*rows, "", f"Size; images with another label; largest difference in probability. Test images: {images}."]
    )


def _cell(file: dict[str, Any]) -> str:
    if "error" in file:
        return "does not apply"
    parity = file["parity"]
    return f"{_kilobytes(file['bytes'])}; {parity['different_labels']}; {parity['largest_difference']:.1g}"


def onnx_speed() -> str:
    """Return the table of onnxruntime and PyTorch."""
    found = load_result("export")
    rows = [
        "| model | images in a batch | PyTorch | onnxruntime | times faster: median (range) |",
        "|---|---|---|---|---|",
    ]
    for name, model in found["models"].items():
        for size, times in model["milliseconds"].items():
            faster = times["times_faster"]
            rows.append(
                f"| {_title(name)} | {size} | {times['torch']['median']:.3g} ms | {times['onnx']['median']:.3g} ms | "
                f"**{faster['median']:.1f}** ({faster['min']:.1f} to {faster['max']:.1f}, n = {faster['n']}) |"
            )
    return "\n".join([*rows, "", f"Each on one thread, alternately. {_conditions(found)}"])


def int8() -> str:
    """Return the table of int8 and float32."""
    found = load_result("export")
    rows = [
        "| model | size: float32, int8 | correct: float32, int8 | times faster: batches of 1, 500 | recommended |",
        "|---|---|---|---|---|",
    ]
    for name, model in found["models"].items():
        file = model["files"]["model-int8.onnx"]
        parity, gain = file["parity"], file["int8"]
        correct = f"{parity['correct_of_model']:,}, {parity['correct']:,} of {parity['images']:,}"
        faster = ", ".join(f"{times:.2f}" for times in gain["times_faster"].values())
        rows.append(
            f"| {_title(name)} | {_kilobytes(gain['float32_bytes'])}, {_kilobytes(file['bytes'])} | "
            f"{correct} (p = {parity['p_value']:.2g}) | {faster} | {'yes' if gain['recommended'] else 'no'} |"
        )
    return "\n".join([*rows, "", f"onnxruntime on one thread. {_conditions(found)}"])


def _title(model: str) -> str:
    return "colour, 32x32" if model == "colour" else f"`{model}`"


def _kilobytes(size: int) -> str:
    return f"{size / 1000:,.0f} KB"


def _conditions(found: dict[str, Any]) -> str:
    conditions = found["conditions"]
    return (
        f"{conditions['processor']}, Python {conditions['python']}, PyTorch {conditions['packages']['torch']}, "
        f"onnxruntime {found['onnxruntime']}."
    )
