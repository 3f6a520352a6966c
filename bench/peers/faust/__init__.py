"""The job in Faust; its libraries live in ``var/peers/faust``, not in ``.venv``."""
