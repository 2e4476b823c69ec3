"""Run the till with `python -m uriba.till`, without loading the hub."""

from uriba.till.commands import till_cli

if __name__ == "__main__":
    till_cli(prog_name="uriba till")
