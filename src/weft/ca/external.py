"""The authority whose certificates another program signs: its signer, and the roots to trust, kept for when it is away.

The roots are those of the chain that the signer tells, and those of a file that the operator gave: to replace a root there,
the new one stands in the file before anything is signed with it.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509

from weft.ca import certificate, keys
from weft.ca.authority import Authority, NotSigned, Signer
from weft.ca.folder import CurrentAuthority, Folder
from weft.ca.proof import is_issued
from weft.ca.succession_files import certificates

log = logging.getLogger("weft.ca")


class ChainSigner(Signer, Protocol):
    """A signer that tells its chain."""

    def chain(self) -> tuple[x509.Certificate, ...]:
        """Who issues, and those above, the root last where it is known. Raises NotSigned."""
        ...


class ExternalAuthority(CurrentAuthority):
    """The authority of a signer elsewhere. The folder holds what was last known of it, and no key."""

    def __init__(self, folder: Folder, now: Callable[[], datetime], signer: ChainSigner, roots: Path | None = None) -> None:
        """`roots`: a PEM file with roots to trust. Raises BrokenFolder when it cannot be read."""
        super().__init__(folder, now)
        self._signer, self._file = signer, roots
        self._given = certificates(roots) if roots else ()

    def __call__(self) -> Authority:
        """The authority. Raises NotSigned while no root is known."""
        kept = self.folder.path / "root.crt"
        try:
            told = tuple(each for each in self._signer.chain() if is_issued(each, each))
        except NotSigned as error:
            log.warning("event=signer_away reason=%r", str(error))
            told = certificates(kept)
        roots = certificate.distinct((*told, *self._given))
        if not roots:
            raise NotSigned("no root of the signer is known\n  hint: name a file with it in x-weft.ca.vault.root")
        if roots != certificates(kept):
            keys.write(kept, certificate.pem(*roots), keys.PUBLIC)
        return Authority(self.folder.trust_domain, None, roots, external=self._signer)

    def refresh(self) -> Authority:
        """The authority; the file of roots is read again."""
        if self._file:
            self._given = certificates(self._file)
        return self()

    def toward(self, root: str) -> Authority | None:
        """Nobody: there is one key, and it is elsewhere."""
        return None
