"""From a command's options to a client: the kubeconfig that is named, or that of the mesh."""

from pathlib import Path
from typing import Annotated, Any

import typer

from weft.cli.access import access
from weft.cli.api_client import ApiClient
from weft.cli.mesh_folder import mesh_home

Kubeconfig = Annotated[Path | None, typer.Option(help="Speak to the API server of this kubeconfig instead of the mesh's.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="The namespace; else the kubeconfig's, which is default.")]


def client(context: Any, kubeconfig: Path | None) -> ApiClient:
    """A client of the API. Raises NoAccess, or NoMesh when there is no mesh here."""
    return ApiClient(access(kubeconfig or mesh_home(context).kubeconfig))
