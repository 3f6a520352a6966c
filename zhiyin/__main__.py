"""``python -m zhiyin ...``."""

import sys

from zhiyin.command_line import main

if __name__ == "__main__":
    sys.exit(main())
