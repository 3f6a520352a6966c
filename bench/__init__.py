"""The figures: ratios and percentiles of the whole, measured in one run. It drives the rooms from outside."""
