"""What single notebooks need and the library does not: their tables, their pictures' data, help for reading code."""
