"""The division of the inputs into parts, and the hash by which a job is recognised."""

from pathlib import Path

from penstroke.scale import ImageArray, Pictures
from penstroke.scale.inputs import Input
from penstroke.scale.parts import BYTES_PER_PART, IMAGES_PER_PART, PICTURES_PER_PART, Part, digest, divide


def test_parts_have_all_rows_once_and_in_order() -> None:
    paths = [Path(f"{number}.png") for number in range(7)]
    inputs: list[Input] = [Pictures(tuple(paths[:5])), ImageArray(Path("a.npy"), 7, 784), Pictures(tuple(paths[5:]))]
    parts = divide(inputs, 3)
    assert [part.number for part in parts] == list(range(6))
    assert [part.rows for part in parts] == [3, 2, 3, 3, 1, 2]
    names = [name for part in parts for name in part.row_names]
    assert names == [*map(str, paths[:5]), *(f"a.npy#{index}" for index in range(7)), *map(str, paths[5:])]
    assert parts[3].name == "part-000003.parquet"


def test_the_default_size_depends_on_the_kind_and_the_size_of_images() -> None:
    pictures = Pictures((Path("1.png"),) * (PICTURES_PER_PART + 1))
    small, large = ImageArray(Path("s.npy"), 10**6, 784), ImageArray(Path("l.npy"), 1000, BYTES_PER_PART // 10)
    assert [divide([each])[0].rows for each in (pictures, small, large)] == [PICTURES_PER_PART, IMAGES_PER_PART, 10]


def test_the_hash_changes_with_names_sizes_order_and_division(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("1.png", "2.png", "a.npy")]
    for path in paths:
        path.write_bytes(b"content")
    pictures, array = Pictures(tuple(paths[:2])), ImageArray(paths[2], 9, 1)

    def found() -> list[str]:
        reverse = Pictures(tuple(reversed(paths[:2])))
        cases = [divide([pictures, array], 3), divide([reverse, array], 3), divide([pictures, array], 4)]
        return [digest(parts) for parts in cases]

    first = found()
    assert len(set(first)) == 3
    assert found() == first
    paths[1].write_bytes(b"longer content")
    assert not set(found()) & set(first)
    second = found()
    paths[2].write_bytes(b"longer content")
    assert not set(found()) & set(second)
    paths[1].unlink()
    assert not set(found()) & {*first, *second}
    assert digest([Part(0, ("none\0.png",))])
