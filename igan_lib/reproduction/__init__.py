"""The tables and claims of the paper, filled from the results."""
