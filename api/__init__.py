"""The HTTP API: requests in, answers out, and the document that describes both.

Nothing here decides anything about calls: the domain does (`masking`), the rows live in
`storage`, the records in `cdr`. What this package must never do is send out a phone that was sent
in.
"""
