"""The HTTP filters of our chains, one a file. Their order, with a reason beside each, is in `order.py`: read it first."""
