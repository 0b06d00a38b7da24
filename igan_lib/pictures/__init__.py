"""Picture files of any origin: which ones a folder holds, and how one is decoded. What is left out is named."""
