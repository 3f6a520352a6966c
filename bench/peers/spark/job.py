"""PySpark's structured streaming: ``session_window`` over a file, rows to JSON files, append mode.

A program of the environment ``var/peers/spark``. In and out: see ``bench/peers/session_job.py``. Its stream never
ends by itself: what is open stays open until the watermark has passed it. So an event of nobody's, long after all
others, comes behind the file; its own session is the one that is never told. State in memory, one shuffle partition
a core; no console, no web pages.
"""

import json
import tempfile
from pathlib import Path
from typing import Final

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as fn

from bench.peers.session_job import PARALLELISM, SessionRule, carry_out

_SCHEMA: Final = (
    "event string, userId string, anonymousId string, timestamp timestamp, "
    "properties struct<journey: string, transaction_id: string, step: string>"
)
_LAST: Final = {
    "userId": "nobody",
    "timestamp": "2100-01-01T00:00:00.000Z",
    "properties": {"journey": "none", "transaction_id": "none"},
}


def run(file: Path, rule: SessionRule, folder: Path) -> None:
    """The whole job, until its last row is written."""
    with tempfile.TemporaryDirectory(prefix="zhiyin-spark-") as place:
        source = Path(place) / "events"
        source.mkdir()
        (source / "0.ndjson").symlink_to(file)
        (source / "1.ndjson").write_text(json.dumps({"event": rule.activity[0], **_LAST}) + "\n", "utf-8")
        session = _session()
        is_completed = (fn.col("event") == rule.completed) | (
            (fn.col("properties.step") == rule.final_step) & fn.col("event").isin(*rule.reaches_step)
        )
        activity = (
            session.readStream.schema(_SCHEMA)
            .json(str(source))
            .where(fn.col("event").isin(*rule.activity))
            .select(
                fn.coalesce("userId", "anonymousId").alias("customer"),
                "properties.journey",
                "properties.transaction_id",
                "timestamp",
                fn.coalesce(is_completed, fn.lit(False)).cast("long").alias("completed"),
                (fn.col("event") == rule.cancelled).cast("long").alias("cancelled"),
            )
            .withWatermark("timestamp", f"{rule.lateness_s} seconds")
        )
        sessions = activity.groupBy(
            fn.session_window("timestamp", f"{rule.gap_s} seconds"), "customer", "journey", "transaction_id"
        ).agg(
            fn.sum("completed").alias("completed"),
            fn.sum("cancelled").alias("cancelled"),
            fn.coalesce(_latest(open_=True) > _latest(open_=False), _latest(open_=False).isNull()).alias("is_open"),
        )
        (
            sessions.select("completed", "cancelled", "is_open")
            .writeStream.format("json")
            .option("checkpointLocation", str(Path(place) / "checkpoints"))
            .outputMode("append")
            .trigger(availableNow=True)
            .start(str(folder))
            .awaitTermination()
        )


def _latest(*, open_: bool) -> Column:
    """When the last event was that closes an attempt, or the last that does not."""
    closes = (fn.col("completed") + fn.col("cancelled")) > 0
    return fn.max(fn.when(~closes if open_ else closes, fn.col("timestamp")))


def _session() -> SparkSession:
    builder = SparkSession.builder.master(f"local[{PARALLELISM}]").appName("peer")
    settings = {
        "spark.sql.shuffle.partitions": str(PARALLELISM),
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.driver.memory": "4g",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


if __name__ == "__main__":
    carry_out(run)
