"""The API, without and with a network."""
