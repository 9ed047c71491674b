"""MeshConfig into the model. Which of several holds is `model.precedence.mesh_config`."""

from weft.model.mesh_config import Authorizer, HttpQuestion, MeshConfig, Normalization, ShownBody
from weft.resource.duration import seconds
from weft.resource.resource import Resource
from weft.resource.weft.mesh_config import EnvoyExtAuthzGrpc, EnvoyExtAuthzHttp, ExtensionProvider, RequestBody
from weft.resource.weft.mesh_config import MeshConfig as Spec
from weft.translate.statement import Reference, Statement


def mesh_config(resource: Resource, spec: Spec, at: str = "spec") -> Statement:
    """A MeshConfig, which stands at the field `at`."""
    paths = spec.path_normalization
    asked = [(index, one, how) for index, one in enumerate(spec.extension_providers) for how in _kinds(one)]
    said = MeshConfig(
        resource.meta.namespace,
        resource.ref,
        resource.meta.creation_timestamp,
        tuple(_authorizer(one.name, how) for _, one, how in asked),
        Normalization(paths.normalization) if paths else Normalization.DEFAULT,
        spec.explain_denials,
    )
    references = tuple(
        Reference(_host(how), resource.ref.at(f"{at}.extensionProviders[{index}].{_field(how)}"), port=how.port)
        for index, _, how in asked
    )
    return Statement(resource.ref, mesh_config=said, references=references)


def _kinds(of: ExtensionProvider) -> list[EnvoyExtAuthzHttp | EnvoyExtAuthzGrpc]:
    return [one for one in (of.envoy_ext_authz_http, of.envoy_ext_authz_grpc) if one]


def _field(of: EnvoyExtAuthzHttp | EnvoyExtAuthzGrpc) -> str:
    return "envoyExtAuthzHttp" if isinstance(of, EnvoyExtAuthzHttp) else "envoyExtAuthzGrpc"


def _host(of: EnvoyExtAuthzHttp | EnvoyExtAuthzGrpc) -> str:
    return of.service.rpartition("/")[2].lower().removesuffix(".")


def _authorizer(name: str, of: EnvoyExtAuthzHttp | EnvoyExtAuthzGrpc) -> Authorizer:
    body, timeout = of.include_request_body_in_check, seconds(of.timeout) if of.timeout else 0.0
    http = _question(of) if isinstance(of, EnvoyExtAuthzHttp) else None
    status = int(of.status_on_error or 0)
    return Authorizer(name, _host(of), of.port, timeout, of.fail_open, status, of.clear_route_cache, _body(body), http)


def _body(of: RequestBody | None) -> ShownBody | None:
    return ShownBody(of.max_request_bytes, of.allow_partial_message, of.pack_as_bytes) if of else None


def _question(of: EnvoyExtAuthzHttp) -> HttpQuestion:
    return HttpQuestion(
        of.path_prefix,
        (*of.include_request_headers_in_check, *of.include_headers_in_check),
        tuple(sorted(of.include_additional_headers_in_check.items())),
        of.headers_to_upstream_on_allow,
        of.headers_to_downstream_on_deny,
        of.headers_to_downstream_on_allow,
    )
