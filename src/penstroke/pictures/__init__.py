"""Pictures of handwriting, from any file to the 28 x 28 pixels that a network knows."""

from penstroke.pictures.files import decode_picture, open_picture
from penstroke.pictures.ink import EmptyPicture, Stage
from penstroke.pictures.prepare import prepare, prepare_with_stages

__all__ = ["EmptyPicture", "Stage", "decode_picture", "open_picture", "prepare", "prepare_with_stages"]
