"""Hash codes as bits: exact measures of a Hamming ranking, and an index to search in."""
