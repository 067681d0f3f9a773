"""The console: pages for the staff of a call centre, made on the server.

No page shows a person's phone unless it was revealed, and none loads anything from elsewhere.
"""
