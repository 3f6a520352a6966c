"""Events come in over HTTP and go on the bus."""
