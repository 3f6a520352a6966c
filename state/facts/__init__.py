"""The public stream of facts, and the CloudEvents they travel as."""
