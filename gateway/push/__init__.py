"""From channels in Redis to websockets of desks and bots."""
