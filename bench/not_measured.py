"""Why a figure could not be taken."""


class NotMeasured(Exception):
    """A measurement that can't be made or can't be believed. ``what``, ``found``, ``expected``: in words."""

    def __init__(self, what: str, found: str, expected: str) -> None:
        self.what = what
        self.found = found
        self.expected = expected
        super().__init__(f"{what} not measured: found {found}, expected {expected}")
