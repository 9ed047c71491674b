"""`weft user`: lets others use the API, with a role and a certificate of their own."""

import base64
import json
from typing import Annotated

import typer

from weft.cli.connection import Kubeconfig, client
from weft.cli.output import refusals_told

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def user() -> None:
    """Let others use the API: a viewer reads, an operator decides about traffic, an admin also about trust."""


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What the user is called in the audit log.")],
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")],
    ttl: Annotated[str, typer.Option(help="How long the certificate lives, at most 8784h (366 days).")] = "720h",
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print a kubeconfig for a new user. Its key is made here and goes nowhere else: keep the output to yourself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    from weft.ca.csr import key_pem, new_key
    from weft.cli.access import access
    from weft.cli.mesh_folder import mesh_home
    from weft.cli.times import seconds
    from weft.controlplane.api.kubeconfig import kubeconfig as document

    life = seconds(ttl)
    path = kubeconfig or mesh_home(ctx).kubeconfig
    key = new_key()
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    csr = base64.b64encode(asked.public_bytes(serialization.Encoding.DER)).decode()
    with refusals_told(), client(ctx, kubeconfig) as api:
        body = {"name": name, "role": role, "ttl": life, "csr": csr}
        signed = str(api.request("POST", "/weft/v1/users", body)["certificate"])
        known = access(path)
        made = document(
            name=name, server=known.server, authority=known.authority, certificate=signed.encode(), key=key_pem(key)
        )
    print(json.dumps(made, indent=2))
