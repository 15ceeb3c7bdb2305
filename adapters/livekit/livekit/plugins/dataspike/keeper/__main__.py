"""Run by `python -m livekit.plugins.dataspike.keeper`."""

import sys

from livekit.plugins.dataspike.keeper.command import main

if __name__ == "__main__":
    sys.exit(main())
