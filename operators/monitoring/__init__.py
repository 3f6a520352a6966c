"""Journey maps, pain points, satisfaction, and whether a fix worked."""
