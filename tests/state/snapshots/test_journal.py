"""The journal gives back what was written up to a place, whatever came after, and stays small."""

import os
import resource
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.support.snapshot_codec import ALL, pop_up_to
from state.snapshots import journal
from state.snapshots.journal import HELD_ROWS, SAFE_SNAPSHOTS, SLICE_ROWS, Journal, JournalDamaged, JournalPosition


class Book:
    """A memory of words: key to text."""

    def __init__(self, packs: Iterable[bytes] = ()) -> None:
        self.texts: dict[str, str] = {}
        self._changed: set[str] = set()
        self.packed_rows = 0
        for pack in packs:
            for key, text in msgspec.msgpack.decode(pack, type=list[tuple[str, str | None]]):
                self._set(key, text)

    def put(self, key: str, text: str | None) -> None:
        self._set(key, text)
        self._changed.add(key)

    @property
    def waiting(self) -> int:
        return len(self._changed)

    def changes(self, most: int = ALL) -> tuple[int, bytes]:
        changed = pop_up_to(self._changed, most)
        return len(changed), self._pack([(key, self.texts.get(key)) for key in changed])

    def all_keys(self) -> list[str]:
        return list(self.texts)

    def rows(self, keys: Sequence[str]) -> bytes:
        return self._pack([(key, self.texts[key]) for key in keys if key in self.texts])

    def _set(self, key: str, text: str | None) -> None:
        if text is None:
            self.texts.pop(key, None)
        else:
            self.texts[key] = text

    def _pack(self, rows: list[tuple[str, str | None]]) -> bytes:
        self.packed_rows += len(rows)
        return msgspec.msgpack.encode(rows)


CHANGES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.one_of(st.none(), st.text(max_size=40))), max_size=4)
EPOCHS = st.lists(
    st.tuples(CHANGES, st.sampled_from(["go on", "go on", "crash", "crash before it counts"])), max_size=40
)


@given(EPOCHS)
def test_killed_at_any_snapshot_it_comes_back_as_it_was(epochs: list[tuple[list[tuple[str, str | None]], str]]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "_SLACK_BYTES", 64)
        patch.setattr(journal, "SWEEP_KEYS", 2)
        writer, book = Journal(Path(folder)), Book()
        place, texts = JournalPosition(), dict[str, str]()
        for changes, what_then in epochs:
            for key, text in changes:
                book.put(key, text)
            written = writer.write(book)
            if what_then != "crash before it counts":
                place, texts = written, dict(book.texts)
            if what_then != "go on":
                writer = Journal(Path(folder), place)
                book = Book(writer.packs())
                assert book.texts == texts


def test_a_snapshot_packs_what_has_changed_and_nothing_else(tmp_path: Path) -> None:
    writer, book = Journal(tmp_path), Book()
    for number in range(10_000):
        book.put(f"key {number}", "dormant")
    writer.write(book)
    before = book.packed_rows
    for _ in range(50):
        book.put("key 1", "awake")
        writer.write(book)
    assert book.packed_rows - before == 50


def test_it_stays_within_five_times_what_the_memory_needs(tmp_path: Path) -> None:
    writer, book = Journal(tmp_path), Book()
    for number in range(2_000):
        book.put(f"key {number}", "x" * 300)
    writer.write(book)
    needed = _bytes_in(tmp_path)
    most_rows = 0
    for round_ in range(400):
        for number in range(100):
            book.put(f"key {number}", f"{round_}" * 100)
        before = book.packed_rows
        writer.write(book)
        most_rows = max(most_rows, book.packed_rows - before)
        assert _bytes_in(tmp_path) < 5 * needed + (1 << 20)
    assert most_rows <= 100 + journal.SWEEP_KEYS, "a sweep is spread over many snapshots"
    assert Book(Journal(tmp_path, writer.write(book)).packs()).texts == book.texts


def test_old_segments_stay_until_no_snapshot_before_can_be_gone_back_to(tmp_path: Path) -> None:
    writer, book = Journal(tmp_path), Book()
    book.put("a", "x" * (1 << 19))
    places = [writer.write(book)]
    texts = [dict(book.texts)]
    for number in range(12):
        book.put("a", f"{number}" * (1 << 19))
        places.append(writer.write(book))
        texts.append(dict(book.texts))
        for place, said in list(zip(places, texts, strict=True))[-SAFE_SNAPSHOTS:]:
            assert Book(_packs(tmp_path, place)).texts == said
    assert len(list(tmp_path.iterdir())) <= 2 + SAFE_SNAPSHOTS


def test_without_a_place_nothing_that_is_there_counts(tmp_path: Path) -> None:
    writer, book = Journal(tmp_path), Book()
    book.put("a", "never snapshotted")
    writer.write(book)
    assert list(Journal(tmp_path).packs()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_gone_or_damaged_is_named(tmp_path: Path) -> None:
    writer, book = Journal(tmp_path), Book()
    book.put("a", "text")
    place = writer.write(book)
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()
    path.write_bytes(good[:-1] + b"?")
    with pytest.raises(JournalDamaged, match=r"found a damaged pack at byte 0, expected what was written; bring the"):
        list(Journal(tmp_path, place).packs())
    path.write_bytes(good[:5])
    with pytest.raises(JournalDamaged, match=f"found 5 bytes, expected {len(good)} bytes"):
        list(Journal(tmp_path, place).packs())
    path.unlink()
    with pytest.raises(JournalDamaged, match="found no such file"):
        list(Journal(tmp_path, place).packs())


def test_a_full_disk_is_an_error_and_the_place_before_still_holds(tmp_path: Path) -> None:
    writer, book = Journal(tmp_path), Book()
    book.put("a", "kept")
    place = writer.write(book)
    (path,) = tmp_path.iterdir()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, limit[1]))
    try:
        book.put("a", "torn" * 100)
        with pytest.raises(OSError, match="File too large"):
            writer.write(book)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert Book(_packs(tmp_path, place)).texts == {"a": "kept"}
    book.put("a", "room again")
    assert Book(_packs(tmp_path, writer.write(book))).texts == {"a": "room again"}


def test_a_disk_that_fails_later_is_told_at_the_next_snapshot(tmp_path: Path) -> None:
    writer, book = Journal(tmp_path), Book()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", _broken)
        book.put("a", "not on disk")
        writer.write(book)
        with pytest.raises(OSError, match="Input/output error"):
            writer.write(book)


def test_what_is_written_ahead_counts_with_the_next_snapshot_and_not_before(tmp_path: Path) -> None:
    writer, book = Journal(tmp_path), Book()
    book.put("a", "kept")
    place = writer.write(book)
    for number in range(SLICE_ROWS):
        book.put("a", "new")
        book.put(f"key {number}", "new")
        writer.write_ahead(book)
    assert book.waiting < SLICE_ROWS
    assert Book(_packs(tmp_path, place)).texts == {"a": "kept"}
    before = book.packed_rows
    assert Book(_packs(tmp_path, writer.write(book))).texts == book.texts
    assert book.packed_rows - before <= SLICE_ROWS


def test_early_in_an_epoch_changes_wait_so_that_what_changes_again_is_written_once(tmp_path: Path) -> None:
    writer, book = Journal(tmp_path, epoch_s=3_600), Book()
    for _ in range(3):
        for number in range(HELD_ROWS):
            book.put(f"key {number}", "new")
            writer.write_ahead(book)
    assert book.packed_rows == 0
    for number in range(HELD_ROWS):
        book.put(f"one more {number}", "new")
        writer.write_ahead(book)
    assert HELD_ROWS <= book.waiting <= HELD_ROWS + SLICE_ROWS
    assert book.packed_rows % SLICE_ROWS == 0
    assert Book(_packs(tmp_path, writer.write(book))).texts == book.texts


def test_late_in_an_epoch_nothing_waits_but_less_than_a_slice(tmp_path: Path) -> None:
    writer, book = Journal(tmp_path, epoch_s=1e-9), Book()
    for number in range(HELD_ROWS):
        book.put(f"key {number}", "new")
        writer.write_ahead(book)
    assert book.waiting < SLICE_ROWS
    assert Book(_packs(tmp_path, writer.write(book))).texts == book.texts


def _broken(_: int) -> None:
    raise OSError(5, "Input/output error")


def _packs(folder: Path, place: JournalPosition) -> Iterable[bytes]:
    return Journal(folder, place).packs()


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def written(journal: Journal, book: Book, times: int = 1) -> JournalPosition:
    for _ in range(times - 1):
        journal.write(book)
    return journal.write(book)


def test_what_was_forgotten_is_in_no_file_after_a_rewrite(tmp_path: Path) -> None:
    book, kept = Book(), Journal(tmp_path / "m")
    for number in range(10_000):
        book.put(f"key-{number}", "text")
    book.put("erased-canary", "secret-canary")
    written(kept, book, 2)
    book.put("erased-canary", None)
    kept.rewrite_soon()
    assert written(kept, book).rewrites
    place = written(kept, book, 2 + SAFE_SNAPSHOTS + 10_000 // journal.REWRITE_KEYS)
    assert not place.rewrites
    assert b"canary" not in bytes_of(tmp_path / "m")
    assert Book(Journal(tmp_path / "m", place).packs()).texts == book.texts


def test_a_restart_goes_on_with_a_rewrite_and_leaves_nothing_of_those_before_it(tmp_path: Path) -> None:
    book, kept = Book(), Journal(tmp_path / "m")
    book.put("erased-canary", "secret-canary")
    book.put("key", "text")
    place = written(kept, book)
    died_later = Journal(tmp_path / "m", place)
    book.put("erased-canary", "secret-canary again")
    written(died_later, book)
    again = Journal(tmp_path / "m", place)
    book.put("erased-canary", None)
    again.rewrite_soon()
    place = written(again, book)
    assert place.rewrites
    restarted = Journal(tmp_path / "m", place)
    place = written(restarted, book, 3 + SAFE_SNAPSHOTS)
    assert not place.rewrites
    assert b"canary" not in bytes_of(tmp_path / "m")
    assert Book(Journal(tmp_path / "m", place).packs()).texts == {"key": "text"}
