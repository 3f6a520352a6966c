"""The job in Pathway; its libraries live in ``var/peers/pathway``, not in ``.venv``."""
