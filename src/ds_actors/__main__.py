"""The command `ds-actors`, which needs the extra `cli`."""

from __future__ import annotations

import sys

from ds_actors._extras import install_command


def main() -> None:
    """Run the command line, or say in one line what installs it (exit code 2)."""
    try:
        from ds_actors.cli import run  # noqa: PLC0415 - what it needs may not be installed
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "ds_actors":
            raise
        sys.stderr.write(f"ds-actors needs its extra cli: {install_command('cli')}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
