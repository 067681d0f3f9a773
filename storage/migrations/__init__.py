"""The steps from an empty database to today's schema. A step that was released never changes."""
