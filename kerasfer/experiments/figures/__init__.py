"""The figures of the Margin-Mix supplement."""
