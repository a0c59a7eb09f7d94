"""Files and folders: atomic writing, and reading of untrusted files.

All files of the project are written by this package. It does not depend on runs, models or datasets. ``untrusted``
contains the functions that read.
"""

from penstroke.storage.files import (
    PARTIAL,
    REMOVED,
    check_writable,
    clear_leftovers,
    explained,
    make_folder,
    new_folder,
    remove_file,
    remove_folder,
    replacing,
    set_aside,
    write_bytes,
    write_folder,
    write_json,
)
from penstroke.storage.json_lines import JsonLines
from penstroke.storage.locks import locked
from penstroke.storage.tables import write_csv

__all__ = [
    "PARTIAL",
    "REMOVED",
    "JsonLines",
    "check_writable",
    "clear_leftovers",
    "explained",
    "locked",
    "make_folder",
    "new_folder",
    "remove_file",
    "remove_folder",
    "replacing",
    "set_aside",
    "write_bytes",
    "write_csv",
    "write_folder",
    "write_json",
]
