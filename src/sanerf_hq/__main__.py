"""``python -m sanerf_hq``: the command line, where the folder of its script is not on the path."""

import sys


def main() -> int:
    """Answer the command line; a stop while the program still loads is one, too."""
    try:
        from sanerf_hq.cli.main import main as answer

        return answer()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
