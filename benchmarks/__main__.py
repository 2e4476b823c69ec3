"""`python -m benchmarks`."""

# The load generator's process imports this module too, so imports for the table only are inside the condition.
if __name__ == "__main__":
    from benchmarks.cli import main

    main()
