"""How good the predictions would have been on recordings."""
