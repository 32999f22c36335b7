"""The subcommands of `python -m inference`, one file each."""
