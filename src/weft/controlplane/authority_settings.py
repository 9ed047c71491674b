"""What an operator says of the authority (`x-weft.ca`, or the file of `weft serve --ca-settings`), and the authority that
comes of it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml

from weft.ca import brought
from weft.ca.external import ExternalAuthority
from weft.ca.folder import AuthoritySettings, CurrentAuthority, Folder
from weft.ca.key_type import KeyType
from weft.ca.vault import VaultSettings, VaultSigner
from weft.finding import Finding

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Unusable(Exception):
    """Settings or files that make no authority. The text says what is wrong, a line or more for each."""


class Vault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """HashiCorp Vault's PKI engine: see `ca.vault.VaultSettings`. `root` is a file with roots to trust beside the one it
    tells."""

    address: str
    role: str
    mount: str = "pki"
    token_file: str = ""
    role_id: str = ""
    secret_id_file: str = ""
    app_role: str = "approle"
    namespace: str = ""
    verbatim: bool = False
    ca_file: str = ""
    root: str = ""


class AuthorityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """`folder` in Istio's layout, or the single files, bring an authority; lifetimes are of what is made here. Empty: the
    default."""

    folder: str = ""
    certificate: str = ""
    key: str = ""
    chain: str = ""
    root: str = ""
    root_lifetime: str = ""
    intermediate_lifetime: str = ""
    key_type: KeyType = KeyType.P256
    workload_key_type: KeyType = KeyType.P256  # the agents' to heed
    vault: Vault | None = None


def read(path: Path) -> AuthorityConfig:
    """The settings in a YAML (or JSON) file. Raises Unusable."""
    try:
        return settings(yaml.safe_load(path.read_text()) or {})
    except (OSError, yaml.YAMLError) as error:
        raise Unusable(f"{path}: {error}") from error


def settings(said: Any) -> AuthorityConfig:
    """The settings as they are written. Raises Unusable."""
    try:
        return msgspec.convert(said, AuthorityConfig)
    except msgspec.ValidationError as error:
        raise Unusable(f"the settings of the authority: {error}") from error


def findings(config: AuthorityConfig, trust_domain: str, now: datetime) -> tuple[Finding, ...]:
    """What is wrong with the files that are brought. Raises Unusable for those that cannot be read."""
    files = _files(config)
    return brought.judged(files, trust_domain, now).findings if files else ()


def authority(config: AuthorityConfig, path: Path, trust_domain: str, now: Callable[[], datetime]) -> CurrentAuthority:
    """The authority as it is set, in the folder `path`. Raises Unusable, BrokenFolder and NotSigned."""
    lives = (_life(config.root_lifetime), _life(config.intermediate_lifetime))
    default = AuthoritySettings()
    made = AuthoritySettings(lives[0] or default.root_life, lives[1] or default.intermediate_life, config.key_type)
    folder = Folder(path, trust_domain, made)
    if config.vault is not None:
        return ExternalAuthority(folder, now, _vault(config.vault), Path(config.vault.root) if config.vault.root else None)
    if files := _files(config):
        found = brought.judged(files, trust_domain, now())
        if found.successor is None:
            raise Unusable("\n".join(map(str, found.findings)))
        folder.bring(found.successor, found.others)
    return CurrentAuthority(folder, now)


def _vault(said: Vault) -> VaultSigner:
    if bool(said.token_file) == bool(said.role_id):
        raise Unusable("vault: either tokenFile, or roleId and secretIdFile, are needed")
    return VaultSigner(
        VaultSettings(
            said.address,
            said.role,
            said.mount,
            said.token_file,
            said.role_id,
            said.secret_id_file,
            said.app_role,
            said.namespace,
            said.verbatim,
            said.ca_file,
        )
    )


def _files(config: AuthorityConfig) -> brought.Brought | None:
    try:
        if config.folder:
            return brought.from_folder(Path(config.folder))
        if not config.certificate:
            return None
        chain, root = (Path(each) if each else None for each in (config.chain, config.root))
        return brought.from_files(Path(config.certificate), Path(config.key), chain, root)
    except OSError as error:
        raise Unusable(f"{error.filename}: {error.strerror}") from error


def _life(text: str) -> timedelta | None:
    """`87600h`, `90d`. Raises Unusable."""
    if not text:
        return None
    try:
        return timedelta(seconds=float(text[:-1]) * _UNITS[text[-1]])
    except (ValueError, KeyError):
        raise Unusable(f"not a duration: {text!r}\n  hint: 8760h or 365d are") from None
