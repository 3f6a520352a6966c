"""Every decision Zhiyin takes, pure: records in, records out.

No engine, clock, network, log or random source is imported here; time, ids and
randomness come in as arguments, so each decision is tested with plain values.
"""
