"""The official Python client of Kubernetes against the API in a process of its own."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from controlplane.api.running_api import RunningApi, running_api
from kubernetes import client, config, dynamic, watch

GROUP = {"group": "networking.istio.io", "version": "v1", "plural": "virtualservices"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """One API for all tests of this file."""
    with running_api(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def connection(api: RunningApi) -> Iterator[client.ApiClient]:
    """A client of it."""
    made = config.new_client_from_config(str(api.kubeconfig))
    yield made
    made.close()


@pytest.fixture
def namespace(connection: client.ApiClient) -> str:
    """A namespace made with the client."""
    name = f"test-{uuid4().hex[:8]}"
    client.CoreV1Api(connection).create_namespace({"metadata": {"name": name}})
    return name


def body(name: str, host: str = "reviews") -> dict[str, Any]:
    """A VirtualService."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"hosts": [host], "http": [{"route": [{"destination": {"host": host}}]}]},
    }


def test_create_list_patch_replace_delete(connection: client.ApiClient, namespace: str) -> None:
    """Custom objects are written and read."""
    objects = client.CustomObjectsApi(connection)
    place = {**GROUP, "namespace": namespace}
    made = objects.create_namespaced_custom_object(**place, body=body("a"))
    assert made["metadata"]["uid"]
    objects.patch_namespaced_custom_object(**place, name="a", body={"spec": {"hosts": ["b"]}})
    found = objects.get_namespaced_custom_object(**place, name="a")
    assert found["spec"]["hosts"] == ["b"]
    found["spec"]["hosts"] = ["c"]
    objects.replace_namespaced_custom_object(**place, name="a", body=found)
    with pytest.raises(client.ApiException) as stale:
        objects.replace_namespaced_custom_object(**place, name="a", body=found)
    assert stale.value.status == 409
    objects.create_namespaced_custom_object(**place, body=body("b"))
    page = objects.list_namespaced_custom_object(**place, limit=1)
    rest = objects.list_namespaced_custom_object(**place, limit=1, _continue=page["metadata"]["continue"])
    assert [item["metadata"]["name"] for item in page["items"] + rest["items"]] == ["a", "b"]
    objects.delete_namespaced_custom_object(**place, name="a")
    objects.delete_collection_namespaced_custom_object(**place, label_selector="app=b")
    assert not objects.list_namespaced_custom_object(**place)["items"]


def test_watch(connection: client.ApiClient, namespace: str) -> None:
    """A watch tells what is there and what comes."""
    objects = client.CustomObjectsApi(connection)
    place = {**GROUP, "namespace": namespace}
    objects.create_namespaced_custom_object(**place, body=body("a"))
    later = threading.Timer(0.3, lambda: objects.delete_namespaced_custom_object(**place, name="a"))
    later.start()
    stream = watch.Watch().stream(objects.list_namespaced_custom_object, **place, timeout_seconds=10)
    seen = []
    for event in stream:
        seen.append((event["type"], event["object"]["metadata"]["name"]))
        if event["type"] == "DELETED":
            break
    later.join()
    assert seen == [("ADDED", "a"), ("DELETED", "a")]


def test_core_kinds(connection: client.ApiClient, namespace: str) -> None:
    """Services are typed objects to this client, and are patched strategically."""
    core = client.CoreV1Api(connection)
    spec = client.V1ServiceSpec(ports=[client.V1ServicePort(name="http", port=80)], selector={"app": "a"})
    core.create_namespaced_service(namespace, client.V1Service(metadata=client.V1ObjectMeta(name="a"), spec=spec))
    core.patch_namespaced_service("a", namespace, {"spec": {"ports": [{"name": "more", "port": 81}]}})
    assert [port.port for port in core.read_namespaced_service("a", namespace).spec.ports] == [80, 81]
    assert [each.metadata.name for each in core.list_namespaced_service(namespace).items] == ["a"]
    core.delete_namespaced_service("a", namespace)


def test_a_refusal_is_an_exception_with_a_status(connection: client.ApiClient, namespace: str) -> None:
    """The client raises what the server refused."""
    objects = client.CustomObjectsApi(connection)
    with pytest.raises(client.ApiException) as refused:
        objects.create_namespaced_custom_object(**GROUP, namespace=namespace, body={**body("a"), "spec": {"hosts": 1}})
    assert refused.value.status == 422
    assert "spec.hosts" in refused.value.body


def test_the_dynamic_client_finds_kinds_by_discovery(connection: client.ApiClient, namespace: str) -> None:
    """Kinds are found by their names in discovery."""
    found = dynamic.DynamicClient(connection).resources.get(api_version="networking.istio.io/v1beta1", kind="VirtualService")
    found.create(body={**body("a"), "apiVersion": "networking.istio.io/v1beta1"}, namespace=namespace)
    assert found.get(name="a", namespace=namespace).spec.hosts == ["reviews"]
