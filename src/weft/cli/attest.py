"""`weft attest`: gets, and keeps fresh, the certificate of a workload that no agent runs."""

from pathlib import Path
from typing import Annotated

import typer

from weft.cli.output import fail

app = typer.Typer(add_completion=False)


@app.command()
def attest(
    server: Annotated[str, typer.Option(help="The control plane's address for enrolment, host:port.")],
    trust: Annotated[Path, typer.Option(help="A PEM file with the roots that the control plane is checked with.", exists=True)],
    out: Annotated[Path, typer.Option(help="The folder for svid.pem, svid.key and bundle.pem.")],
    token_file: Annotated[Path | None, typer.Option(help="A file with a join token of `weft token create`.")] = None,
    kubernetes_token_file: Annotated[Path | None, typer.Option(help="A file with a Kubernetes service account's token.")] = None,
    server_name: Annotated[str, typer.Option(help="What the control plane's certificate must be valid for.")] = "weft.local",
) -> None:
    """Write a certificate of the workload that a token is of. With a certificate in the folder and no token, that one is
    renewed."""
    import asyncio

    from weft.agent.config import ControlPlane
    from weft.agent.enrollment_client import EnrollmentClient
    from weft.agent.identity import write_private
    from weft.agent.refusal import Refused, Unreachable
    from weft.ca import csr

    client = EnrollmentClient(ControlPlane(xds="", enroll=server, server_name=server_name), trust)
    key, chain_file, key_file = csr.new_key(), out / "svid.pem", out / "svid.key"
    request = csr.nameless_request(key)

    async def asked() -> object:
        if kubernetes_token_file:
            return await client.attest(request, kubernetes=kubernetes_token_file.read_text().strip())
        if token_file:
            return await client.attest(request, token=token_file.read_text().strip())
        proof = csr.proof(csr.private_key(key_file.read_bytes()), request)
        return await client.renew_workload(chain_file.read_bytes(), request, proof)

    if not (token_file or kubernetes_token_file or (chain_file.exists() and key_file.exists())):
        raise fail("there is no certificate to renew: name a token's file")
    try:
        answer = asyncio.run(asked())
    except (Refused, Unreachable) as problem:
        raise fail(str(problem)) from None
    for path, content in ((key_file, csr.key_pem(key)), (chain_file, answer.chain), (out / "bundle.pem", answer.bundle)):  # type: ignore[attr-defined]
        write_private(path, content)
