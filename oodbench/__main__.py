"""`python -m oodbench`."""

from oodbench.cli.main import main

main()
