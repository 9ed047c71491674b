"""`weft token`: join tokens, for a node or for a workload that no agent runs."""

from typing import Annotated

import typer

from weft.cli.connection import Kubeconfig, client
from weft.cli.output import fail, refusals_told

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def token() -> None:
    """Make tokens with which a machine or a workload joins the mesh: each is used once and lives for minutes."""


@app.command()
def create(
    ctx: typer.Context,
    node: Annotated[str, typer.Option(help="The node whose agent joins with it.")] = "",
    service_account: Annotated[str, typer.Option(help="The service account of the workload that joins with it.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="That service account's namespace.")] = "default",
    ttl: Annotated[str, typer.Option(help="How long it may be used, at most 24h.")] = "15m",
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print a new token: it is seen this once. A workload uses it with `weft attest`."""
    from weft.cli.times import seconds

    if bool(node) == bool(service_account):
        raise fail("name a node or a service account: a token is for one of them")
    whom = {"node": node} if node else {"namespace": namespace, "serviceAccount": service_account}
    with refusals_told(), client(ctx, kubeconfig) as api:
        print(api.request("POST", "/weft/v1/jointokens", {**whom, "ttl": seconds(ttl)})["token"])


@app.command()
def revoke(
    ctx: typer.Context,
    service_account: Annotated[str, typer.Argument(help="The service account of workloads that joined with tokens.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")] = "default",
    kubeconfig: Kubeconfig = None,
) -> None:
    """Renew no more certificates of workloads that joined as a service account, and make its unused tokens useless."""
    with refusals_told(), client(ctx, kubeconfig) as api:
        api.request("POST", "/weft/v1/jointokens/revoked", {"namespace": namespace, "serviceAccount": service_account})
        print(f"{namespace}/{service_account} renews no more; certificates that it has end by themselves")
