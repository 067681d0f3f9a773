"""The torture run: real calls, while everything that carries or keeps them is killed or cut off.

`python -m tests.support.torture --calls 1000 --seed 7` runs it by itself. A seed gives the same
calls, and the same blows at the same moments.
"""
