"""Tokens, key sets, roles: who is asking, and what they may do."""
