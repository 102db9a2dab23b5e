"""Data preparation, a script for each data set; installed as kerasfer.data_prep."""
