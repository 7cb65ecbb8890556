"""``python -m impactkit``: the command line."""

from impactkit.cli import main

if __name__ == "__main__":
    main()
