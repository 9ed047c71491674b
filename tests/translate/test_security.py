"""PeerAuthentications into the model."""

from weft.model.security import MtlsMode, PeerAuthentication

from .written import istio, said


def _said(spec: str) -> PeerAuthentication:
    found = said(istio("PeerAuthentication", "default", spec)).peer_authentication
    assert found
    return found


def test_a_mode_for_a_namespace() -> None:
    """Without a selector it is for the namespace; UNSET and nothing said inherit."""
    found = _said("{mtls: {mode: STRICT}}")
    assert (found.namespace, found.selector, found.mode, found.ports) == ("default", (), MtlsMode.STRICT, ())
    assert _said("{mtls: {mode: UNSET}}").mode is None
    assert _said("{}").mode is None


def test_modes_for_the_ports_of_workloads() -> None:
    """portLevelMtls is sorted by port; a port that inherits is left out."""
    found = _said(
        "{selector: {matchLabels: {app: web}}, mtls: {mode: PERMISSIVE}, "
        "portLevelMtls: {'9000': {mode: DISABLE}, '80': {mode: STRICT}, '90': {mode: UNSET}}}"
    )
    assert found.selector == (("app", "web"),)
    assert found.ports == ((80, MtlsMode.STRICT), (9000, MtlsMode.DISABLE))
