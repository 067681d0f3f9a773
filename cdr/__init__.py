"""What is kept of calls, and how it reaches history and call log.

The truth is the node's event file. Nothing here talks to Asterisk, decides about a call, or knows a
phone other than sealed.
"""
