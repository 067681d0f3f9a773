"""The domain of Maskline: sessions, leases, plans, outcomes.

Nothing in this package does I/O, reads a clock or draws a random number: all of it is passed in.
"""
