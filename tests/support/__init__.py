"""What tests share: toys, runs of programs, files of other libraries."""
