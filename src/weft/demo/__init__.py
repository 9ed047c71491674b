"""The bookstore that `weft demo` writes out and runs: five services in real processes, a gateway, and resources to try.

`bookstore/` is copied as it stands; its programs need nothing but the standard library, as an application that knows
nothing of weft would.
"""
