"""What is known of a book."""

import json

from server import serve

BOOK = {"title": "The Comedy of Errors", "author": "William Shakespeare", "year": 1595, "pages": 200, "isbn": "1234567890"}

if __name__ == "__main__":
    serve(lambda path, headers: ("application/json", json.dumps(BOOK)))
