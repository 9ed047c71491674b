"""An application that gets its identity by the official SPIFFE library, and prints what it got, one JSON object a line.

spiffe_identity.py watch     its X.509-SVID, and each next one; first of all a JWT-SVID, and that of a child in a session of its
own spiffe_identity.py once      the X.509-SVID, or how it was refused
"""

import json
import subprocess
import sys
import threading
from pathlib import Path

from cryptography import x509
from spiffe import JwtSource, SpiffeId, WorkloadApiClient, X509Source
from spiffe.workloadapi.errors import FetchX509SvidError, ValidateJwtSvidError


def main() -> None:
    """Does as told by the first argument."""
    if sys.argv[1] == "once":
        say(once())
        return
    child = [sys.executable, str(Path(__file__)), "once"]
    say({"child": json.loads(subprocess.run(child, capture_output=True, text=True, check=True, start_new_session=True).stdout)})
    say({"jwt": tokens()})
    changed = threading.Event()
    changed.set()
    with X509Source(timeout_in_seconds=10) as source:
        source.subscribe_for_updates(changed.set)
        while changed.wait(60):
            changed.clear()
            say({"x509": shown(source)})


def once() -> dict[str, object]:
    """The identity of this process."""
    try:
        with WorkloadApiClient() as client:
            return {"id": str(client.fetch_x509_svid(timeout=5).spiffe_id)}
    except FetchX509SvidError as refused:
        return {"refused": str(refused)}


def shown(source: X509Source) -> dict[str, object]:
    """What a source has now; the leaf is checked to be of the bundle's roots."""
    svid = source.svid
    bundle = source.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
    leaf, *rest = svid.cert_chain
    signers = [*rest, *(bundle.x509_authorities if bundle else ())]
    leaf.verify_directly_issued_by(rest[0])
    assert any(_issued(rest[-1], root) for root in signers[len(rest) :])
    return {"id": str(svid.spiffe_id), "serial": str(leaf.serial_number), "until": leaf.not_valid_after_utc.timestamp()}


def _issued(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except ValueError:
        return False
    return True


def tokens() -> dict[str, object]:
    """A JWT-SVID: who it is of, that the agent accepts it for its audience and refuses it for another."""
    with WorkloadApiClient() as client:
        svid = client.fetch_jwt_svid({"reviews", "ratings"})
        valid = client.validate_jwt_svid(svid.token, "reviews")
        with JwtSource() as source:
            again = source.fetch_svid({"reviews", "ratings"}, SpiffeId(str(svid.spiffe_id)))
            keys = source.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
        try:
            client.validate_jwt_svid(svid.token, "others")
            wrong = "accepted"
        except ValidateJwtSvidError as refused:
            wrong = str(refused)
        return {
            "id": str(valid.spiffe_id),
            "audience": sorted(svid.audience),
            "same": again.token == svid.token,
            "keys": len(keys.jwt_authorities) if keys else 0,
            "other audience": wrong,
        }


def say(what: object) -> None:
    """One line."""
    print(json.dumps(what), flush=True)


main()
