"""Maskline: configuration, the command line, and the one place that wires the rooms together."""
