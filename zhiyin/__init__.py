"""The command line, and the supervisor of everything on one machine. No decisions here."""
