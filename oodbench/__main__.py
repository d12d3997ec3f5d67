"""Entry point of `python -m oodbench`."""

from oodbench.cli.main import main

if __name__ == "__main__":
    main()
