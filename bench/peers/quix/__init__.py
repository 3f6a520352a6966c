"""The job in Quix Streams; its libraries live in ``var/peers/quix``, not in ``.venv``."""
