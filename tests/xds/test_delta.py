"""The bytes of a response are what protobuf would have written."""

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse
from hypothesis import given
from hypothesis import strategies as st

from weft.envoy.types import CLUSTER, EnvoyResource
from weft.xds.delta import Nonce, Response, Told, resource_bytes

resources = st.builds(
    EnvoyResource,
    type_url=st.just(CLUSTER),
    name=st.text(max_size=200),
    body=st.binary(max_size=500),
    version=st.text(max_size=20),
)
told = st.builds(Told, resources, st.lists(st.text(min_size=1, max_size=200), max_size=3).map(tuple))


@given(st.lists(told, max_size=4), st.lists(st.text(max_size=50), max_size=3), st.text(max_size=5))
def test_a_response_reads_back_as_it_was_meant(entries: list[Told], removed: list[str], nonce: str) -> None:
    """Names, versions, bodies, aliases, removals and the nonce survive the wire, whatever their length."""
    data = Response(CLUSTER, Nonce(nonce), tuple(entries), tuple(removed)).serialized()
    read = DeltaDiscoveryResponse.FromString(data)
    assert (read.type_url, read.nonce, list(read.removed_resources)) == (CLUSTER, nonce, removed)
    assert [
        (each.name, each.version, each.resource.type_url, each.resource.value, tuple(each.aliases)) for each in read.resources
    ] == [(one.resource.name, one.resource.version, CLUSTER, one.resource.body, one.aliases) for one in entries]


def test_equal_resources_share_their_bytes() -> None:
    """A thousand streams serialize a resource once."""
    body = b"same"
    assert resource_bytes(CLUSTER, "a", "1", body) is resource_bytes(CLUSTER, "a", "1", body)
