"""A rotation of the root or the intermediate on disk: its states, its ends, and what a crash leaves."""

import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from weft.ca import certificate, csr
from weft.ca.authority import Authority
from weft.ca.folder import Folder
from weft.ca.proof import fingerprint
from weft.ca.succession import CannotChange, Kind, Rotation, State, aborted, following, paused
from weft.identity import SpiffeId

from .authorities import NOW

DOMAIN = "cluster.local"
WHO = SpiffeId(DOMAIN, "default", "reviews")
THEN = "2026-03-01T12:00:00Z"


def chain(of: Authority, hosts: tuple[str, ...] = ()) -> bytes:
    """A new certificate with its chain."""
    return of.issue(csr.request(csr.new_key(), str(WHO)), WHO, timedelta(hours=1), NOW, hosts).chain


def verifies(presented: bytes, root: x509.Certificate, folder: Path) -> bool:
    """Whether openssl finds the way from a chain to one root alone."""
    leaf, *others = x509.load_pem_x509_certificates(presented)
    for name, content in (("leaf", [leaf]), ("others", others), ("root", [root])):
        (folder / f"{name}.pem").write_bytes(certificate.pem(*content))
    at = str(int(NOW.timestamp()))
    files = ["-CAfile", "root.pem", "-untrusted", "others.pem", "leaf.pem"]
    command = ["openssl", "verify", "-attime", at, "-no-CApath", *files]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def advance(folder: Folder, rotation: Rotation) -> Rotation:
    """The next state, written down."""
    rotation = following(rotation, THEN)
    folder.files.save(rotation)
    return rotation


def test_a_root_is_replaced_in_four_states(tmp_path: Path) -> None:
    """Both are trusted before the new one signs, and the old one goes last; the file that agents read says the same."""
    folder = Folder(tmp_path / "ca", DOMAIN)
    (old,) = folder.authority(NOW).roots
    rotation = folder.begin(Kind.ROOT, NOW)
    trusted, signers = [], []
    while folder.files.rotation():
        current = folder.authority(NOW)
        trusted.append(tuple(map(fingerprint, current.roots)))
        signers.append(fingerprint(current.signer.certificate))
        assert set(x509.load_pem_x509_certificates((tmp_path / "ca" / "root.crt").read_bytes())) == set(current.roots)
        rotation = advance(folder, rotation)
        if rotation.state is State.PROMOTE:
            folder.authority(NOW)
    before, after = fingerprint(old), rotation.new_root
    assert trusted == [(before, after), (after, before), (after, before), (after,)]
    assert signers == [rotation.old_issuer] + 3 * [rotation.new_issuer]
    last = folder.authority(NOW)
    assert tuple(map(fingerprint, last.roots)) == (after,) and folder.files.last()["ended"] == "done"
    assert fingerprint(folder.authority(NOW + timedelta(days=200)).roots[0]) == after  # and its key makes intermediates
    assert not (tmp_path / "ca" / "next").exists()


def test_who_trusts_only_one_of_the_roots_follows_the_new_chain(tmp_path: Path) -> None:
    """While both are trusted each peer finds its way by openssl, and afterwards the control plane still shows the way to the
    old root."""
    folder = Folder(tmp_path / "ca", DOMAIN)
    (old,) = folder.authority(NOW).roots
    rotation = advance(folder, folder.begin(Kind.ROOT, NOW))
    (new,) = (root for root in folder.authority(NOW).roots if root != old)
    presented = chain(folder.authority(NOW))
    assert verifies(presented, old, tmp_path) and verifies(presented, new, tmp_path)
    while folder.files.rotation():
        rotation = advance(folder, rotation)
        folder.authority(NOW)
    ended = folder.authority(NOW)
    assert verifies(chain(ended, ("weft.local",)), old, tmp_path) and verifies(chain(ended, ("weft.local",)), new, tmp_path)
    assert not verifies(chain(ended), old, tmp_path)


def test_who_missed_the_rotation_may_renew_unless_the_old_key_is_compromised(tmp_path: Path) -> None:
    """A certificate of the old root is taken for a renewal for a month, and never when the old key may be in other hands."""
    for compromised in (False, True):
        folder = Folder(tmp_path / str(compromised), DOMAIN)
        held = chain(folder.authority(NOW))
        rotation = folder.begin(Kind.ROOT, NOW, compromised=compromised)
        while folder.files.rotation():
            rotation = advance(folder, rotation)
            current = folder.authority(NOW)
        assert bool(current.former) != compromised and bool(current.cross) != compromised
        if compromised:
            with pytest.raises(Exception, match="not issued by this mesh"):
                current.own(held, NOW)
        else:
            assert current.own(held, NOW)


@pytest.mark.parametrize("state", [State.TRUST_BOTH, State.REISSUE, State.PROVE])
def test_an_aborted_rotation_ends_where_it_began(tmp_path: Path, state: State) -> None:
    """Both roots are trusted until every proxy is back; then the new one is thrown away."""
    folder = Folder(tmp_path, DOMAIN)
    before = folder.authority(NOW)
    rotation = folder.begin(Kind.ROOT, NOW)
    while rotation.state is not state:
        rotation = advance(folder, rotation)
    rotation = aborted(rotation, THEN)
    folder.files.save(rotation)
    back = folder.authority(NOW)
    assert len(back.roots) == 2 and back.signer.certificate == before.signer.certificate
    advance(folder, rotation)
    after = folder.authority(NOW)
    assert after.roots == before.roots and after.signer.certificate == before.signer.certificate
    assert folder.files.last()["ended"] == "aborted"


def test_a_crash_between_two_steps_of_the_end_is_finished(tmp_path: Path) -> None:
    """However far the end had come, another look brings it about."""
    done = tmp_path / "done"
    folder = Folder(done, DOMAIN)
    folder.authority(NOW)
    rotation = folder.begin(Kind.ROOT, NOW)
    while rotation.state is not State.DROP_OLD:
        rotation = advance(folder, rotation)
        folder.authority(NOW)
    rotation = following(rotation, THEN)
    folder.files.save(rotation)
    for name in ((), ("root.key",), ("root.key", "cross.crt"), ("root.key", "cross.crt", "intermediate.pem")):
        crashed = tmp_path / f"after-{len(name)}"
        shutil.copytree(done, crashed)
        for each in name:
            shutil.copy2(crashed / "next" / each, crashed / each)
        found = Folder(crashed, DOMAIN).authority(NOW)
        assert [fingerprint(root) for root in found.roots] == [rotation.new_root]
        assert fingerprint(found.signer.certificate) == rotation.new_issuer
        assert Folder(crashed, DOMAIN).files.rotation() is None


def test_an_intermediate_is_replaced_alone(tmp_path: Path) -> None:
    """The roots stay, two states are enough, and the way back is open."""
    folder = Folder(tmp_path, DOMAIN)
    before = folder.authority(NOW)
    rotation = folder.begin(Kind.INTERMEDIATE, NOW)
    assert rotation.state is State.REISSUE and folder.authority(NOW).roots == before.roots
    assert folder.authority(NOW).signer.certificate != before.signer.certificate
    assert following(following(rotation, THEN), THEN).state is State.PROMOTE
    folder.files.save(aborted(rotation, THEN))
    assert folder.authority(NOW).signer.certificate == before.signer.certificate


def test_one_rotation_at_a_time_and_no_way_back_at_the_end(tmp_path: Path) -> None:
    """What cannot be done is said, and nothing is changed."""
    folder = Folder(tmp_path, DOMAIN)
    rotation = folder.begin(Kind.ROOT, NOW)
    with pytest.raises(CannotChange, match="a rotation goes on"):
        folder.begin(Kind.INTERMEDIATE, NOW)
    with pytest.raises(CannotChange, match="no way back"):
        aborted(replace(rotation, state=State.DROP_OLD), THEN)
    with pytest.raises(CannotChange, match="not paused"):
        paused(rotation, False)
    assert paused(paused(rotation, True), False) == rotation


def test_the_authority_of_either_root_can_be_tried(tmp_path: Path) -> None:
    """What it signs leads to that root and no other, in every state."""
    folder = Folder(tmp_path / "ca", DOMAIN)
    folder.authority(NOW)
    rotation = folder.begin(Kind.ROOT, NOW)
    roots = {fingerprint(root): root for root in folder.authority(NOW).roots}
    for state in (State.TRUST_BOTH, State.REISSUE, State.PROVE, State.DROP_OLD):
        folder.files.save(replace(rotation, state=state))
        for name, root in roots.items():
            found = folder.toward(name, NOW)
            other = next(each for each in roots.values() if each != root)
            assert found is not None and verifies(chain(found), root, tmp_path) and not verifies(chain(found), other, tmp_path)
    assert folder.toward("unknown", NOW) is None
