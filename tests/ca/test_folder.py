"""The authorities at rest."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from weft.ca import certificate
from weft.ca.api_authority import api_identity
from weft.ca.folder import BrokenFolder, CurrentAuthority, Folder
from weft.ca.keys import ExposedKey

from .authorities import NOW

DAY = timedelta(days=1)


def test_an_authority_is_made_once_and_found_again(tmp_path: Path) -> None:
    """The same root and intermediate after a restart; keys are private."""
    folder = Folder(tmp_path / "ca", "cluster.local")
    first, again = folder.authority(NOW), folder.authority(NOW + DAY)
    assert first.roots == again.roots and first.intermediate.certificate == again.intermediate.certificate
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "ca").iterdir()}
    assert modes == {"root.key": 0o600, "root.crt": 0o644, "intermediate.pem": 0o600}


def test_a_root_lives_ten_years_and_an_intermediate_one(tmp_path: Path) -> None:
    """And the intermediate signs leaves only."""
    made = Folder(tmp_path, "cluster.local").authority(NOW)
    (root,) = made.roots
    assert root.not_valid_after_utc - NOW == timedelta(days=3652)
    assert made.intermediate.certificate.not_valid_after_utc - NOW == timedelta(days=365)
    constraints = made.intermediate.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.value.path_length == 0 and constraints.critical


def test_an_intermediate_is_replaced_at_half_its_life(tmp_path: Path) -> None:
    """What the old one signed stays valid, since the root is the same."""
    folder = Folder(tmp_path, "cluster.local")
    old, new = folder.authority(NOW), folder.authority(NOW + 183 * DAY)
    assert old.roots == new.roots and old.intermediate.certificate != new.intermediate.certificate


def test_a_crash_between_two_files_is_finished_at_the_next_start(tmp_path: Path) -> None:
    """Each file is whole; what is missing is made."""
    folder = Folder(tmp_path, "cluster.local")
    key = folder.authority(NOW).roots[0].public_key()
    (tmp_path / "root.crt").unlink()
    (tmp_path / "intermediate.pem").unlink()
    assert folder.authority(NOW).roots[0].public_key() == key


def test_the_root_key_may_be_kept_elsewhere_until_it_is_needed(tmp_path: Path) -> None:
    """An old intermediate goes on until its end; then the message says what to bring."""
    folder = Folder(tmp_path, "cluster.local")
    made = folder.authority(NOW)
    (tmp_path / "root.key").unlink()
    assert folder.authority(NOW + 300 * DAY).intermediate.certificate == made.intermediate.certificate
    with pytest.raises(BrokenFolder, match=r"root\.key is not there"):
        folder.authority(NOW + 366 * DAY)


def test_a_second_root_is_trusted_and_does_not_sign(tmp_path: Path) -> None:
    """How one mesh comes to trust another."""
    other = Folder(tmp_path / "other", "cluster.local").authority(NOW)
    folder = Folder(tmp_path / "ca", "cluster.local")
    first = folder.authority(NOW)
    (tmp_path / "ca" / "root.crt").write_bytes(first.bundle + other.bundle)
    assert folder.authority(NOW).roots == (*first.roots, *other.roots)


def test_a_folder_belongs_to_one_trust_domain(tmp_path: Path) -> None:
    """Renaming a mesh would make certificates that nobody trusts."""
    Folder(tmp_path, "cluster.local").authority(NOW)
    with pytest.raises(BrokenFolder, match="another trust domain"):
        Folder(tmp_path, "example.org").authority(NOW)


@pytest.mark.parametrize("name", ["intermediate.pem", "root.key"])
def test_an_exposed_key_stops_the_start(tmp_path: Path, name: str) -> None:
    """An authority whose key others could read is none."""
    folder = Folder(tmp_path, "cluster.local")
    folder.authority(NOW)
    (tmp_path / name).chmod(0o644)
    with pytest.raises(ExposedKey):
        folder.authority(NOW + 200 * DAY)


def test_the_current_authority_replaces_its_intermediate_without_a_restart(tmp_path: Path) -> None:
    """A long-running process looks at its folder once an hour."""
    clock = [NOW]
    current = CurrentAuthority(Folder(tmp_path, "cluster.local"), lambda: clock[0])
    first = current()
    clock[0] += timedelta(minutes=59)
    assert current() is first
    (tmp_path / "root.crt").rename(tmp_path / "away.crt")
    (tmp_path / "intermediate.pem").chmod(0o644)
    clock[0] += timedelta(hours=2)
    assert current() is first  # a folder that breaks later stops nothing
    (tmp_path / "away.crt").rename(tmp_path / "root.crt")
    (tmp_path / "intermediate.pem").chmod(0o600)
    clock[0] += 200 * DAY
    assert current().intermediate.certificate != first.intermediate.certificate


def test_the_api_has_an_authority_of_its_own(tmp_path: Path) -> None:
    """A client of the API is not trusted in the mesh, nor a workload at the API."""
    mesh = Folder(tmp_path / "ca", "cluster.local").authority(NOW)
    api = api_identity(tmp_path / "api", NOW)
    (authority,) = x509.load_pem_x509_certificates(api.authority)
    assert authority not in mesh.roots
    server, admin = (x509.load_pem_x509_certificate(pair.chain) for pair in (api.server, api.admin))
    server.verify_directly_issued_by(authority)
    admin.verify_directly_issued_by(authority)
    assert admin.subject == certificate.name("weft-admin", "system:masters")
    assert _usages(server) == [certificate.SERVER] and _usages(admin) == [certificate.CLIENT]
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "weft.local"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert all(stat.S_IMODE((tmp_path / "api" / name).stat().st_mode) == 0o600 for name in ("ca.pem", "server.pem", "admin.pem"))


def test_certificates_of_the_api_are_kept_and_renewed_at_half_life(tmp_path: Path) -> None:
    """Ninety days for the server, a year for the administrator, the same authority."""
    first, again = api_identity(tmp_path, NOW), api_identity(tmp_path, NOW + 30 * DAY)
    later, much_later = api_identity(tmp_path, NOW + 50 * DAY), api_identity(tmp_path, NOW + 200 * DAY)
    assert first == again and later.server != first.server and later.admin == first.admin
    assert much_later.admin != first.admin and much_later.authority == first.authority


def _usages(of: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(of.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
