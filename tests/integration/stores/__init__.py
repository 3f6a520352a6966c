"""The stores while Redis is away, restarts, or is driven beside their twins in memory."""
