"""The list of commands, each imported when it is used.

To add a command, write a module with a function that returns a ``Result``, and add the function to ``COMMANDS``.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command of the command line.

    Args:
        name: the command.
        target: import path of its function, or of an ``App`` with subcommands.
        summary: one line for the list of commands.
        usage: what follows the command.
        details: the rest of the description of the command.
    """

    name: str
    target: str
    summary: str
    usage: str = ""
    details: str = ""

    @property
    def help(self) -> str:
        """The description that ``--help`` prints."""
        return f"{self.summary}\n\n{self.details}".strip()

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the command; an ``App`` has its own."""
        return {"usage": f"penstroke {self.name} {self.usage}"} if self.usage else {}


COMMANDS = (
    Command(
        "train",
        "train:train",
        "Train a recipe and store everything in a run folder.",
        "[RECIPE] [OPTIONS]",
        """\
Every field of a recipe is an option. The defaults are those of recipe book;
those of other recipes follow in parentheses where they differ. Recipe general is
the default for data of your own.

Examples:
  penstroke train                            the textbook's training
  penstroke train fast --data mnist          99 % on MNIST in one epoch
  penstroke train --data pictures/           a folder for each class
  penstroke train --optimizer adam --lr 0.001
  penstroke train --config recipe.toml --seed 1
  penstroke train --seeds 10                 ten seeds: mean, interval, strip plot
  penstroke train robust --seeds 5 --committee    and their models as one
  penstroke train --resume                   continue the latest unfinished run""",
    ),
    Command(
        "sweep",
        "sweep:sweep",
        "Train all combinations of fields of a recipe, and compare them in a table.",
        "[RECIPE] --vary FIELD=A,B [--vary ...] [OPTIONS]",
        """\
Every field of a recipe can be varied, and every field is an option, too. A value
with several numbers is written 16x32. Fields that change together are separated
by colons. The same command continues an interrupted sweep.

Examples:
  penstroke sweep --vary channels=8x16,16x32,32x64 --seeds 5
  penstroke sweep fast --vary lr=0.05,0.15 --vary hidden=64,96 --validation 0.1
  penstroke sweep --vary optimizer:lr=adam:0.001,sgd:0.05 --images 6000
  penstroke sweep --find-lr --optimizer sgd    suggest a learning rate""",
    ),
    Command(
        "tune",
        "tune:tune",
        "Search the best values of fields of a recipe, on a validation split.",
        "[RECIPE] --range FIELD=LOW..HIGH [--range ...] [OPTIONS]",
        """\
Optuna chooses the values. Every field is an option, too; --validation is 0.1
unless the recipe has a validation split, and test images are not used. The same
command continues an interrupted search.

Examples:
  penstroke tune --range lr=0.01..1 --trials 20
  penstroke tune fast --range optimizer=adam,muon --range lr=0.001..0.3
  penstroke train --config tunes/book-lr/best.toml""",
    ),
    Command(
        "test",
        "test:run_test",
        "Measure loss, accuracy, calibration and mistakes on a test set.",
        "[RUN] [OPTIONS]",
        """\
The log-probabilities of all images are stored in RUN/evaluations, and plots are
drawn in RUN/pictures.

Examples:
  penstroke test runs/robust --csv rows.csv
  penstroke test --corruptions --without-disputed
  penstroke test --require-accuracy 0.985    exit code 5 if the accuracy is lower""",
    ),
    Command(
        "compare",
        "compare:compare",
        "Test which of several models or recipes is more accurate.",
        "RUN RUN... [OPTIONS]",
        """\
Two runs are compared by the exact McNemar test on the same test images. Runs
whose recipes differ only in the seed form a group; groups are compared seed by
seed, by a sign-flip test and a bootstrap interval.

Examples:
  penstroke compare runs/book runs/fast
  penstroke compare runs/fast-* runs/adam-*  two recipes, several seeds each""",
    ),
    Command(
        "show",
        "show:show",
        "Draw test images with predictions, the preparation of a picture, or curves.",
        "[RUN] [PICTURE] [OPTIONS]",
        """\
Without PICTURE, draw test images as a PNG and, for a single one, in the terminal.
With PICTURE, draw the steps that turn the picture into the input of the model.
With --curves, draw loss and accuracy of the training; `penstroke train` draws
them after training runs of 10 s and longer.

Examples:
  penstroke show --index 7
  penstroke show runs/fast --wrong --count 25
  penstroke show runs/robust photo.jpg
  penstroke show runs/fast --curves          loss and accuracy of the training""",
    ),
    Command(
        "report",
        "report:report",
        "Write an HTML report: verdict, mistakes, calibration, the inside of the network.",
        "[RUN] [OPTIONS]",
        """\
The report is one file that loads nothing from the network. It starts with the
verdict: what the model is, how good, on which data, and how certain that is.
Attributions need the extra explain.

Examples:
  penstroke report                           the latest run, into RUN/report.html
  penstroke report runs/robust --out robust.html --index 8""",
    ),
    Command(
        "explain",
        "explain:explain",
        "Draw which pixels of a picture speak for a class, and which against it.",
        "[RUN] PICTURE [OPTIONS]",
        """\
Orange pixels raise the log-odds of the class, blue ones lower them. The methods
are those of Captum.

Examples:
  penstroke explain photo.jpg
  penstroke explain runs/book 4.png --class 9
  penstroke explain 4.png --method occlusion --out why.png""",
    ),
    Command(
        "predict",
        "predict:predict",
        "Classify pictures that show one symbol or thing each.",
        "[RUN] PICTURE... [OPTIONS]",
        """\
A picture is a PNG, JPEG, BMP, GIF or WebP file of any size; a symbol may be dark
on bright or bright on dark. A folder stands for all pictures in it and in its
subfolders. With --output, Ray Data predicts any number of pictures, and arrays
of images (.npy, IDX), on this machine or a cluster, and continues when the same
command is given again.

Examples:
  penstroke predict photo.jpg
  penstroke predict runs/robust scans/ --csv rows.csv
  penstroke predict runs/robust 'scans/**/*.png' --top 3 --json
  penstroke predict ready archive/ images.npy --output answers""",
    ),
    Command(
        "read",
        "read:read",
        "Read all digits in pictures, line by line.",
        "[RUN] PICTURE... [OPTIONS]",
        """\
Only digits are read: no signs, no letters, no spaces. A PNG is written for each
picture, with green boxes around digits and grey boxes around rejected marks.

Examples:
  penstroke read page.jpg
  penstroke read runs/robust scans/*.png --out boxes --json""",
    ),
    Command(
        "export",
        "export:export",
        "Write a model as an ONNX file, PyTorch program, NumPy archive or web page.",
        "[RUN] --to FORMAT [OPTIONS]",
        """\
onnx is for onnxruntime in any language, torch is a .pt2 file for PyTorch, npz
has arrays for NumPy, and web is a page that recognises what is drawn, without a
server. The result is compared with the model on test images, and written only
if they agree.

Examples:
  penstroke export --to onnx
  penstroke export runs/robust --to onnx --precision int8
  penstroke export ready --to web --single-file""",
    ),
    Command(
        "serve",
        "serve:serve",
        "Serve a model over HTTP, with a web page.",
        "[RUN] [OPTIONS]",
        """\
POST a picture file to /v1/predict or /v1/read; the page is at /. The model is
loaded again on SIGHUP; without RUN, a run that is finished later is loaded, too.

Examples:
  penstroke serve
  penstroke serve ready --port 8080 --workers 4
  penstroke serve runs/robust --host 0.0.0.0 --token-file token.txt --rate 20""",
    ),
    Command(
        "data",
        "data:app",
        "List, download, describe and import datasets.",
        details="The dataset mnist5k, a sample of 5,000 images of MNIST, needs no download.",
    ),
    Command(
        "import",
        "import_weights:import_weights",
        "Make a run from a third-party state dict.",
        "FILE [OPTIONS]",
        """\
FILE is a .pt or .pth file with the weights of the textbook's network or of
PyTorch's MNIST example. No code in the file is executed.""",
    ),
)
