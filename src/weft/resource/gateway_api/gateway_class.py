"""GatewayClass: which controller is responsible for the Gateways of a class."""

from typing import Annotated

from weft.resource.field import UNSUPPORTED, Message


class ParametersReference(Message, frozen=True, kw_only=True):
    """Where a controller's parameters are; without a namespace the object has none."""

    group: str
    kind: str
    name: str
    namespace: str = ""


class GatewayClass(Message, frozen=True, kw_only=True):
    """https://gateway-api.sigs.k8s.io/reference/spec/#gatewayclass

    `controllerName: mesh.weft.dev/gateway` is this mesh. The class `weft` is, whether somebody wrote it or not.
    """

    controller_name: str
    parameters_ref: Annotated[ParametersReference | None, UNSUPPORTED] = None
    description: str = ""
