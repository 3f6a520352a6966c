"""Flink SQL: a session window over a file, rows to JSON files. A program of the environment ``var/peers/flink_sql``.

In and out: see ``bench/peers/session_job.py``. The streaming mode, where the window table function is at home; state
on the heap (its quickest backend), no checkpoints, objects reused: nothing that slows it is switched on.
"""

from pathlib import Path
from typing import Final

from pyflink.table import EnvironmentSettings, TableEnvironment

from bench.peers.session_job import PARALLELISM, SessionRule, carry_out

_SETTINGS: Final = {
    "parallelism.default": str(PARALLELISM),
    "pipeline.object-reuse": "true",
    "table.local-time-zone": "UTC",
    "execution.checkpointing.checkpoints-after-tasks-finish": "false",
    "taskmanager.memory.network.max": "256mb",
}


def run(file: Path, rule: SessionRule, folder: Path) -> None:
    """The whole job, until its last row is written."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in _SETTINGS.items():
        tables.get_config().set(name, value)
    tables.execute_sql(_events(file, rule))
    tables.execute_sql(_sessions(folder))
    tables.execute_sql(_activity(rule))
    tables.execute_sql(_query(rule)).wait()


def _events(file: Path, rule: SessionRule) -> str:
    return f"""
        CREATE TABLE events (
            `event` STRING, `userId` STRING, `anonymousId` STRING, `timestamp` TIMESTAMP_LTZ(3),
            `properties` ROW<`journey` STRING, `transaction_id` STRING, `step` STRING>,
            WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '{rule.lateness_s}' SECOND(3)
        ) WITH ('connector' = 'filesystem', 'path' = '{file.as_uri()}', 'format' = 'json',
                'json.timestamp-format.standard' = 'ISO-8601')"""


def _sessions(folder: Path) -> str:
    return f"""
        CREATE TABLE sessions (`completed` BIGINT, `cancelled` BIGINT, `is_open` BOOLEAN)
        WITH ('connector' = 'filesystem', 'path' = '{folder.as_uri()}', 'format' = 'json')"""


def _activity(rule: SessionRule) -> str:
    reached = f"`properties`.`step` = '{rule.final_step}' AND `event` IN {rule.reaches_step}"
    return f"""
        CREATE TEMPORARY VIEW activity AS
        SELECT COALESCE(`userId`, `anonymousId`) AS customer, `properties`.`journey` AS journey,
               `properties`.`transaction_id` AS transaction_id, `timestamp`,
               CASE WHEN `event` = '{rule.completed}' OR ({reached}) THEN 1 ELSE 0 END AS completed,
               CASE WHEN `event` = '{rule.cancelled}' THEN 1 ELSE 0 END AS cancelled
        FROM events WHERE `event` IN {rule.activity}"""  # noqa: S608 - put together of our own constants


def _query(rule: SessionRule) -> str:
    return f"""
        INSERT INTO sessions
        SELECT SUM(completed), SUM(cancelled),
               SUM(completed + cancelled) = 0
                   OR MAX(CASE WHEN completed + cancelled = 0 THEN `timestamp` END)
                      > MAX(CASE WHEN completed + cancelled > 0 THEN `timestamp` END)
        FROM SESSION(
            TABLE activity PARTITION BY (customer, journey, transaction_id),
            DESCRIPTOR(`timestamp`), INTERVAL '{rule.gap_s}' SECOND(3))
        GROUP BY customer, journey, transaction_id, window_start, window_end"""  # noqa: S608 - our own constants


if __name__ == "__main__":
    carry_out(run)
