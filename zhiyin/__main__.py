"""``python -m zhiyin ...``."""

from zhiyin.command_line import main
from zhiyin.terminal import leave

if __name__ == "__main__":
    leave(main())
