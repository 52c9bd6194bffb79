"""A promptable model of our own, small enough to be shipped."""
