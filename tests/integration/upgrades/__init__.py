"""What an earlier Zhiyin left on disk and in Redis is taken up by this one.

An archive ``written-by-COMMIT.tar.xz`` beside this file holds what the program of that commit wrote: the recovery
folder with its journals, the saved models, a dump of Redis. It also holds the catalogue, the events that came later,
and what that same program made of them. ``test_written_before.py`` lets the program of this checkout go on instead.

How ``written-by-746d851.tar.xz`` was made, from the root of this checkout::

    git worktree add ../before 746d851
    python -m tests.integration.upgrades.write_fixture tests/integration/upgrades --of ../before

Each later change of what is kept on disk can keep a fixture of its own main: without ``--of`` the program of the
checkout itself writes it. An archive is never made anew by a later program: it would no longer be what it says.

Redis, engine and gateway live by a clock of their own, preloaded (``tests/chaos/clock.py``). In the test it shows the
instant at which the fixture was written. So nothing in it has expired, neither a key in the dump nor a hint or an
attempt, however many years later the test runs.
"""
