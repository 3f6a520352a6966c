"""Keys of shards that Bytewax spreads evenly over its workers.

Bytewax gives a key to the worker of its hash, modulo how many there are. Of ``000`` to ``031`` two workers get 14 and
18: one of them waits for a fifth of the time. So each key has a number more, the first with which its hash leaves the
same rest as the shard itself: keys are as even as shards for every number of workers that divides ``SPREADS_OVER``.

A key stays what it is whatever the number of workers, for snapshots are kept by it. Were the engine to hash otherwise
one day, keys would only be less even; ``tests/flows/steps/test_shard_keys.py`` says so then.
"""

from functools import cache
from itertools import count
from typing import Final

SPREADS_OVER: Final = 24
"""Workers, or a number that divides it; with others (5, 7) about as even as chance."""
_MASK: Final = (1 << 64) - 1
_INITIAL_LANES: Final = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
_WORD_BYTES: Final = 8
_Lanes = tuple[int, int, int, int]


@cache
def shard_key(shard: int) -> str:
    """A shard as a key of the dataflow: ``007-3``."""
    keys = (f"{shard:03d}-{number}" for number in count())
    return next(key for key in keys if engine_hash(key) % SPREADS_OVER == shard % SPREADS_OVER)


def engine_hash(key: str) -> int:
    """What the engine makes of a key: SipHash-1-3 without a secret (Aumasson, Bernstein 2012), as Rust's default is.

    Rust hashes a text as its bytes in UTF-8 and 255.
    """
    data = key.encode() + b"\xff"
    whole = len(data) - len(data) % _WORD_BYTES
    words = [int.from_bytes(data[offset : offset + _WORD_BYTES], "little") for offset in range(0, whole, _WORD_BYTES)]
    words.append(len(data) % 256 << 56 | int.from_bytes(data[whole:], "little"))
    lanes: _Lanes = _INITIAL_LANES
    for word in words:
        a, b, c, d = _round((lanes[0], lanes[1], lanes[2], lanes[3] ^ word))
        lanes = a ^ word, b, c, d
    a, b, c, d = _round(_round(_round((lanes[0], lanes[1], lanes[2] ^ 0xFF, lanes[3]))))
    return a ^ b ^ c ^ d


def _round(lanes: _Lanes) -> _Lanes:
    a, b, c, d = lanes
    a = (a + b) & _MASK
    b, a = _rotated(b, 13) ^ a, _rotated(a, 32)
    c = (c + d) & _MASK
    d = _rotated(d, 16) ^ c
    a = (a + d) & _MASK
    d = _rotated(d, 21) ^ a
    c = (c + b) & _MASK
    b, c = _rotated(b, 17) ^ c, _rotated(c, 32)
    return a, b, c, d


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _MASK
