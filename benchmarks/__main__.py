"""`python -m benchmarks`."""

# The load generator's process imports this module again: what only the table needs is not imported for it.
if __name__ == "__main__":
    from benchmarks.cli import main

    main()
