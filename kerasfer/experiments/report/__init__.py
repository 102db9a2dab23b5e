"""Reports of runs and of studies: one HTML file each, which needs nothing else."""
