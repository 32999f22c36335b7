"""One file per subcommand of `python -m streams`."""
