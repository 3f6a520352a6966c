"""The bundle an agent sees at a contact: needs, live struggle, hot questions."""
