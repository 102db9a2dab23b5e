"""What importers of data sets share: a folder in, a manifest out, totals checked."""
