"""Your own photographs: from a labelled folder and an unlabelled heap to classes, codes and an index to search in."""
