"""``penstroke --install-completion [SHELL]``: tab completion for the user's shell."""

from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.completion import ShellDetectionError

from penstroke.cli.output import Result
from penstroke.errors import StorageError, UsageError

Shell = Literal["bash", "zsh", "fish"]


def install_completion(
    shell: Annotated[Shell | None, Parameter(help="Shell.", show_default="detected")] = None, /
) -> Result:
    """Write the completion script where the shell loads it from.

    Raises:
        UsageError: the shell is not detected.
        StorageError: the script cannot be written.
    """
    from penstroke.cli.app import app

    try:
        path = app.install_completion(shell=shell)
    except ShellDetectionError as error:
        raise UsageError(
            "The shell is not detected.", "Name it, for example `penstroke --install-completion bash`."
        ) from error
    except OSError as error:
        raise StorageError(
            f"The completion script cannot be written: {error}.", "Check the permissions of that folder."
        ) from error
    return Result({"path": str(path)}, f"completion: {path} (open a new shell to use it)")
