"""`python -m uriba` is `uriba`."""

from uriba.cli import main

main()
