"""Everything on one machine: `zhiyin up`."""
