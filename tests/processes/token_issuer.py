"""An issuer of tokens with a web server of its own, as the tests' real OpenID provider: RS256 (RFC 7518), keys by `kid`."""

import base64
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def part(of: object) -> str:
    """One part of a token."""
    text = of if isinstance(of, bytes) else json.dumps(of).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class TokenIssuer:
    """Serves its OpenID configuration and its keys on a loopback port while it is `up`."""

    def __init__(self) -> None:
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self._server: ThreadingHTTPServer | None = None
        self.asked = 0
        self.port = 0
        self.rotate("1")
        self.up()

    @property
    def name(self) -> str:
        """What its tokens call it: the URL that its configuration is looked for at."""
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Serves, at the port it had before."""
        issuer = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                keys = {"keys": [issuer._public(kid) for kid in issuer._keys]}
                settings = {"issuer": issuer.name, "jwks_uri": f"{issuer.name}/keys"}
                text = json.dumps(settings if self.path.endswith("openid-configuration") else keys).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Answers)
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, daemon=True).start()

    def down(self) -> None:
        """Refuses connections."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def rotate(self, kid: str) -> None:
        """Has a new key, and no other."""
        self._keys = {kid: rsa.generate_private_key(65537, 2048)}

    def _public(self, kid: str) -> dict[str, str]:
        numbers = self._keys[kid].public_key().public_numbers()
        modulus, exponent = (of.to_bytes((of.bit_length() + 7) // 8, "big") for of in (numbers.n, numbers.e))
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": part(modulus), "e": part(exponent)}

    def token(self, *, header: dict[str, str] | None = None, **claims: object) -> str:
        """A token that holds for a minute, unless `claims` say otherwise; of an algorithm that `header` may swap: `none`, and
        HS256 with the public key as the secret."""
        kid, key = next(iter(self._keys.items()))
        head = {"alg": "RS256", "kid": kid, "typ": "JWT", **(header or {})}
        signed = f"{part(head)}.{part({'iss': self.name, 'sub': 'jo', 'exp': int(time.time()) + 60, **claims})}".encode()
        if head["alg"] == "none":
            return f"{signed.decode()}."
        if head["alg"] == "HS256":
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            code = hmac.HMAC(key.public_key().public_bytes(serialization.Encoding.PEM, form), hashes.SHA256())
            code.update(signed)
            return f"{signed.decode()}.{part(code.finalize())}"
        return f"{signed.decode()}.{part(key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))}"
