"""What ships for tests: the echo server, and fakes that stand for what is outside of us. Nothing here is imported by the product
but for `weft echo`.
"""
