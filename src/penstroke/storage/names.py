"""Names of folders for texts that are not trusted, such as the class names of a model file."""


def folder_name(text: str) -> str:
    """Return a name for the folder of a text: itself if it is a plain name, otherwise with ``%2F`` for ``/`` etc.

    Different texts have different names. A name has no separators, is not hidden, and does not begin with ``__``.
    """
    name = text.replace("%", "%25").replace("/", "%2F").replace("\\", "%5C")
    return f"%{ord(name[0]):02X}{name[1:]}" if name.startswith((".", "__")) else name
