"""The rules of OidcLogin. What would leave a door open is refused."""

from weft.resource import names
from weft.resource.field_path import child, item
from weft.resource.problems import Problems
from weft.resource.validation.labels import labels
from weft.resource.weft.oidc_login import OidcLogin

_GATEWAY = ("gateway.networking.k8s.io", "Gateway")


def oidc_login(spec: OidcLogin, problems: Problems) -> None:
    """Whom it is for, the provider, and paths."""
    labels(spec.selector.match_labels if spec.selector else {}, "spec.selector.matchLabels", problems)
    problems.conflict("spec", {"selector": spec.selector is not None, "targetRefs": bool(spec.target_refs)})
    for index, target in enumerate(spec.target_refs):
        if (target.group, target.kind) != _GATEWAY or target.namespace:
            place = child(item("spec.targetRefs", index), "kind")
            problems.invalid(place, f"nobody signs in at a {target.kind}", "name a Gateway of gateway.networking.k8s.io here")
    problems.invalid("spec.issuer", names.web_address(spec.issuer), "such as https://login.example.com")
    problems.invalid("spec.clientId", "" if spec.client_id else "it is empty")
    problems.invalid("spec.secretName", names.subdomain(spec.secret_name))
    for name, path in (("redirectPath", spec.redirect_path), ("signOutPath", spec.sign_out_path)):
        plain = path.startswith("/") and len(path) > 1 and path.isprintable() and not set(path) & set(" ?#*")
        problems.invalid(f"spec.{name}", "" if plain else f"{path[:80]!r} is not a path", "such as /oauth2/callback")
    if spec.redirect_path == spec.sign_out_path:
        problems.invalid("spec.signOutPath", "it is the redirectPath, too")
    for index, path in enumerate(spec.except_paths):
        whole = path.startswith("/") and "*" not in path[:-1] and not set(path) & set("?# ")
        hint = "a path such as /healthz, or a prefix such as /public/*"
        problems.invalid(item("spec.exceptPaths", index), "" if whole else f"{path[:80]!r} is not a path", hint)
    for index, host in enumerate(spec.hosts):
        problems.invalid(item("spec.hosts", index), "" if host.strip("*") else "it means every host", "leave hosts out")
    for index, scope in enumerate(spec.scopes):
        printable = scope and scope.isascii() and scope.isprintable() and not set(scope) & set(' "\\')
        problems.invalid(item("spec.scopes", index), "" if printable else f"{scope[:40]!r} is not a scope")
