"""What a long run says while it goes: a line at a time, on standard error."""

import sys


def tell(line: str) -> None:
    """Say ``line`` at once."""
    sys.stderr.write(f"bench: {line}\n")
    sys.stderr.flush()
