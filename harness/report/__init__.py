"""What is made of records after a cell has run: files and sentences, nothing else."""
