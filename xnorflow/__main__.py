"""Entry point of the program ``xnorflow`` and of ``python -m xnorflow``."""

import sys

__all__ = ["main"]


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit; see `xnorflow.main.main`."""
    try:
        from xnorflow.main import main as run  # a part of a second, in which Ctrl-C may come
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    run(args)


if __name__ == "__main__":
    main()
