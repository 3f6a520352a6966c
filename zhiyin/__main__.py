"""``python -m zhiyin ...``."""

from zhiyin.cli.main import main
from zhiyin.console.terminal import leave

if __name__ == "__main__":
    leave(main())
