"""Studies: methods x settings x seeds from a file, their runs, their tables."""
