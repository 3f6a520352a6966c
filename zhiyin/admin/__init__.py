"""Commands that look after a running Zhiyin: dead letters, models, erasure, doctor."""
