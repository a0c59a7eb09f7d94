"""``python -m penstroke`` runs the command ``penstroke``."""

from penstroke.cli import main

if __name__ == "__main__":
    main()
