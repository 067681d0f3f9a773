"""What apps ask for themselves: /v1/app, its tokens, its events. Nothing here shows a phone."""
