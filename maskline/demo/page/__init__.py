"""The demo page's own backend: a small marketplace, its carrier, and the buyer's bad network.

It plays what a customer of Maskline has: a backend with a key, users who are signed in, a push
service, webhooks. All of it is reached below /demo, and only with `maskline up --demo`.
"""

from maskline.demo.page.places import Places, divide
from maskline.demo.page.stage import Stage

__all__ = ["Places", "Stage", "divide"]
