"""What a proxy showed, judged: each thing that can be lacking is said, and only when all is there nothing is."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from weft.ca import csr
from weft.ca.certificate import der
from weft.ca.folder import Folder
from weft.ca.proof import Sighting, fingerprint, lacking
from weft.ca.succession import Demand, Kind, Rotation, State, demand, wanted_issuer
from weft.identity import SpiffeId

from .authorities import NOW

WHO = SpiffeId("cluster.local", "default", "reviews")


@pytest.fixture(scope="module")
def rotation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, Rotation]:
    """One that has begun."""
    folder = Folder(tmp_path_factory.mktemp("ca"), "cluster.local")
    folder.authority(NOW)
    return folder, folder.begin(Kind.ROOT, NOW)


def seen(folder: Folder, root: str, accepts: set[str], refuses: frozenset[str] = frozenset()) -> Sighting:
    """A proxy that serves a chain to `root`."""
    signer = folder.toward(root, NOW)
    assert signer is not None
    chain = signer.issue(csr.request(csr.new_key(), str(WHO)), WHO, timedelta(hours=1), NOW).chain
    ders = tuple(map(der, x509.load_pem_x509_certificates(chain)))
    held = fingerprint(signer.signer.certificate)
    return Sighting("default/a", 5, ders, frozenset(accepts), refuses, held, fingerprint(ders[0]))


def test_each_state_demands_more_than_the_one_before(rotation: tuple[Folder, Rotation]) -> None:
    """What proves a state does not prove the next one, and what proves the last one proves it alone."""
    folder, begun = rotation
    old, new = begun.old_root, begun.new_root
    roots = folder.authority(NOW).roots
    shows = {
        State.TRUST_BOTH: seen(folder, old, {old, new}),
        State.REISSUE: replace(seen(folder, old, {new}), held=begun.new_issuer),
        State.PROVE: seen(folder, new, {old, new}),
        State.DROP_OLD: seen(folder, new, {new}, frozenset({old})),
    }
    problems = {
        (state, shown): lacking(sighting, demand(replace(begun, state=state)), roots, NOW)
        for state in shows
        for shown, sighting in shows.items()
    }
    assert all(problems[state, state] == "" for state in shows)
    assert problems[State.REISSUE, State.TRUST_BOTH] == "has no certificate of the new issuer yet"
    assert problems[State.PROVE, State.REISSUE].startswith("serves a chain to another root")
    assert problems[State.DROP_OLD, State.PROVE] == f"still trusts the root {old[:12]}"
    assert lacking(seen(folder, old, {old}), demand(begun), roots, NOW) == f"does not trust the root {new[:12]} yet"
    assert wanted_issuer(begun) == "" and wanted_issuer(replace(begun, state=State.PROVE)) == begun.new_issuer


def test_what_was_seen_before_or_not_at_all_proves_nothing(rotation: tuple[Folder, Rotation]) -> None:
    """A look of an earlier state, a proxy that shows nothing, a chain that ends, and a certificate that is not the agent's."""
    folder, begun = rotation
    roots, good = folder.authority(NOW).roots, seen(folder, begun.old_root, set())
    anything = Demand()
    assert lacking(good, anything, roots, NOW) == ""
    assert lacking(None, anything, roots, NOW) == lacking(good, anything, roots, NOW, since=6) == "was not looked at yet"
    assert lacking(replace(good, problem="refused"), anything, roots, NOW) == "shows no certificate: refused"
    assert lacking(replace(good, chain=()), anything, roots, NOW).startswith("serves no chain")
    assert lacking(good, anything, (), NOW) == "serves a chain to no root that is trusted"
    assert lacking(replace(good, chain=good.chain[:1]), anything, roots, NOW) == "serves a chain to no root that is trusted"
    assert lacking(good, anything, roots, NOW + timedelta(hours=2)).startswith("serves a certificate that expired at")
    assert lacking(replace(good, leaf="other"), anything, roots, NOW) == "serves another certificate than the one its agent holds"
    assert lacking(replace(good, chain=(b"x",)), anything, roots, NOW).startswith("serves no chain")
