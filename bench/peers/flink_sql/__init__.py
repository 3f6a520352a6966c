"""The job in Flink SQL; its libraries live in ``var/peers/flink_sql``, not in ``.venv``."""
