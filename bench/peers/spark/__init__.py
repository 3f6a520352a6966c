"""The job in PySpark's structured streaming; its libraries live in ``var/peers/spark``, not in ``.venv``."""
