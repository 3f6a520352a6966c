"""What everything speaks: the catalogue, events, facts, dead letters, policies. No decisions."""
