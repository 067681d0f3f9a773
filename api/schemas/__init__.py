"""The shapes of what comes in and goes out, as pydantic models.

A model checks one document by itself. It never looks anything up, and no model that goes out has a
field for a participant's phone.
"""
