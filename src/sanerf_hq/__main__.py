"""``python -m sanerf_hq``: the command line, where the folder of its script is not on the path."""

from sanerf_hq.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
