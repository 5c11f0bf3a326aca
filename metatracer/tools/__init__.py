"""What people run: the command line, comparison, explanation."""
