"""The ladder: told when waiting costs more than it saves, and as often right as was asked."""

from random import Random

import msgspec

from operators.learning.checkpoint_policy import LEAST_SILENCES, CheckpointPolicy

CHECKPOINTS_MS = {"pay": tuple(range(30_000, 1_000_000, 30_000))}


def a_silence(random: Random) -> int | None:
    """Half stay away; the others come back after a minute or so, now and then after very long."""
    return None if random.random() < 0.5 else round(1_000 * 40 * 3 ** random.gauss(0, 1))


def test_before_it_knows_anything_it_waits_to_the_end() -> None:
    ladder = CheckpointPolicy(CHECKPOINTS_MS, 0.95)
    for _ in range(LEAST_SILENCES - 1):
        ladder.record_silence(ladder.kind("pay", b""), None)
    assert ladder.publishing_point("pay|-").publish_at == len(CHECKPOINTS_MS["pay"]) - 1


def test_it_keeps_the_target_precision_and_tells_early() -> None:
    for target in (0.9, 0.96):
        random, ladder = Random(1), CheckpointPolicy(CHECKPOINTS_MS, target)
        told: list[tuple[int, bool]] = []
        for _ in range(8_000):
            silence_ms = a_silence(random)
            kind = ladder.kind("pay", b"")
            at_ms = CHECKPOINTS_MS["pay"][ladder.publishing_point(kind).publish_at]
            if (silence_ms or 10**9) > 30_000:
                ladder.record_silence(kind, silence_ms)
            if silence_ms is None or silence_ms > at_ms:
                told.append((at_ms, silence_ms is None))
                ladder.record_verdict(wrong=silence_ms is not None)
        late = told[len(told) // 2 :]
        precision = sum(right for _, right in late) / len(late)
        assert target <= precision <= target + 0.02
        assert sum(at_ms for at_ms, _ in late) / len(late) < 400_000


def test_what_it_says_of_staying_away_is_what_happens() -> None:
    random, ladder = Random(2), CheckpointPolicy(CHECKPOINTS_MS, 0.95)
    silences = [a_silence(random) for _ in range(4_000)]
    reached = [each for each in silences if (each or 10**9) > 30_000]
    for each in reached:
        ladder.record_silence("pay|-", each)
    for _ in range(600):
        ladder.record_verdict(wrong=False)
    stays_away = ladder.publishing_point("pay|-").stays_away
    for place in (0, 3, 9):
        longer = [each for each in reached if each is None or each > CHECKPOINTS_MS["pay"][place]]
        assert abs(stays_away[place] - sum(each is None for each in longer) / len(longer)) < 0.01


def test_steps_whose_checkpoints_have_changed_begin_anew() -> None:
    ladder = CheckpointPolicy(CHECKPOINTS_MS, 0.95)
    for _ in range(200):
        ladder.record_silence("pay|-", None)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(ladder.state), type=type(ladder.state))
    same, other = CheckpointPolicy(CHECKPOINTS_MS, 0.95), CheckpointPolicy({"pay": (30_000, 60_000)}, 0.95)
    same.restore(state)
    other.restore(state)
    assert same.publishing_point("pay|-").stays_away == ladder.publishing_point("pay|-").stays_away
    assert other.publishing_point("pay|-").stays_away == (0.5, 0.5)
