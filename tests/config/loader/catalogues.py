"""A small good catalogue as text, and how to spoil it."""

from pathlib import Path
from typing import Final

import pytest

from config import ConfigurationError, Problem, load_catalogue

GOOD: Final = """\
lateness: 2s
idle_checkpoints: [30s, 60s]
journeys:
  policy_loan:
    title: {zh: 保单贷款, en: Policy loan}
    idle_after: 5m
    steps:
      - id: apply
        title: {zh: 申请, en: Apply}
        idle_after: 90s
      - id: confirm
        title: {zh: 确认, en: Confirm}
        final: true
reasons:
  face_check:
    title: {zh: 人脸识别, en: Face check}
    say: {zh: "{journey}停在{step}", en: "{journey} stopped at {step}"}
    article:
      id: help-face
      title: {zh: 帮助, en: Help}
      body: {zh: 请再试一次。, en: Try again.}
    evidence:
      - {signal: step_failed, codes: ["face_*"], steps: [apply], weight: 3}
  unknown:
    title: {zh: 不明, en: Unknown}
    say: {zh: 需要帮忙吗, en: May I help}
    article:
      id: help-go-on
      title: {zh: 继续, en: Go on}
      body: {zh: 请继续。, en: Go on.}
quiet_hours: {zone: Asia/Shanghai, from: 22:00, to: 08:00}
caps: {hints: 2, window: 12h}
control_group: {share: 0.1}
"""


def spoiled(old: str, new: str) -> str:
    """The good catalogue with one thing changed; ``old`` must stand in it once."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def problems_of(folder: Path, text: str | bytes) -> tuple[Problem, ...]:
    """What loading ``text`` is refused for; file names are shortened to ``catalogue.yaml``."""
    path = folder / "catalogue.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as refused:
        load_catalogue(path)
    assert all(each.file == str(path) for each in refused.value.problems)
    return refused.value.problems


def told(folder: Path, text: str | bytes) -> list[str]:
    """The problems of ``text`` as they are told, ``LINE: path: found X, expected Y``."""
    return [str(each).removeprefix(f"{each.file}:").strip() for each in problems_of(folder, text)]
