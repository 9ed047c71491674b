"""The catalogue of findings: each code, its severity and its words. docs/findings.md documents every one of them.

A code is a stable name; never reuse one. The words say what is wrong; the hint says what to do when the cause is
guessable. Both are filled from the keywords given to `finding`.
"""

from weft.finding import Finding, Severity
from weft.ref import Ref

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - the table below reads better

# code: (severity, message, hint)
CATALOGUE: dict[str, tuple[Severity, str, str]] = {
    # reading
    "yaml-syntax": (E, "this is not YAML: {problem}", "{hint}"),
    "unknown-kind": (E, "weft does not know {api_version} {kind}", "{hint}"),
    "unknown-field": (E, "there is no field {name} here", "{hint}"),
    "wrong-type": (E, "{problem}", "{hint}"),
    "invalid-value": (E, "{problem}", "{hint}"),
    "missing-field": (E, "{name} is required", ""),
    "unsupported-field": (W, "{name} is not supported yet: it has no effect", "{hint}"),
    "yaml-duplicate-key": (E, "{name} stands twice in this mapping", "the first is on line {line}: keep one of them"),
    "yaml-too-large": (E, "{problem}", "{hint}"),
    "unknown-metadata": (W, "there is no field {name} in metadata: it is ignored", "{hint}"),
    "conflicting-fields": (E, "{names} exclude each other", "{hint}"),
    "duplicate": (E, "{what} {name} is there twice", "{hint}"),
    "weight-sum": (E, "the weights of several destinations add up to {total}: none would get anything", "{hint}"),
    "weight-total": (W, "the weights add up to {total}, not 100: each destination gets its part of {total}", "{hint}"),
    "ignored-field": (I, "{name} is of no use here: {why}", ""),
    "unsupported-value": (W, "{value} is not supported yet: {effect}", "{hint}"),
    "deprecated-field": (W, "{name} is deprecated", "{hint}"),
    "deprecated-value": (W, "{value} is the deprecated name of {instead}", "write {instead}"),
    "unknown-protocol": (W, "{name} is not a protocol that weft knows: {effect}", "{hint}"),
    "undeclared-protocol": (I, "the port {name} does not say what is spoken: {effect}", "{hint}"),
    "no-effect": (W, "{name} has no effect: {why}", "{hint}"),
    # applying
    "missing-namespace": (
        E,
        "there is no namespace {namespace}",
        "apply a Namespace of that name in the same files, or: kubectl create namespace {namespace}",
    ),
    "denies-seen-calls": (
        E,
        "it would deny calls that are made: {calls}",
        "`weft policy test -f FILE` lists them all; apply it with --allow-breaking (kubectl: annotate the policy with"
        " mesh.weft.dev/allow-breaking=true) if they are to be denied",
    ),
    "may-deny-seen-calls": (
        W,
        "it may deny calls that are made, which depends on what is not recorded (headers, claims, addresses): {calls}",
        "`weft policy test -f FILE` lists them all",
    ),
    "allows-denied-calls": (W, "it would let pass calls that are made and denied: {calls}", ""),
    # weft.yaml
    "unsupported-compose-field": (W, "{name} has no effect on processes{where}", "{hint}"),
    "image-without-command": (
        E,
        "an image and no command: {services}. weft runs processes, not containers",
        "give each a command, or write it out of the file: `weft init compose.yaml` does",
    ),
    "missing-variable": (W, "the variable {name} is not set: it is empty", "{hint}"),
    "invalid-variable": (E, "{problem}", "{hint}"),
    "reserved-variable": (W, "{name} is set by weft for each instance: this value is not used", ""),
    "invalid-label": (W, "the label {name} is not one that selectors can see, and is left out: {problem}", ""),
    "missing-env-file": (E, "there is no file {path}", "`required: false` makes it optional"),
    "unknown-dependency": (E, "it depends on {name}, which is {why}", "{hint}"),
    "dependency-cycle": (E, "services wait for each other: {cycle}", ""),
    # references across resources
    "rule-without-service": (W, "there is no service {host}: the rule waits for it", "{hint}"),
    "unknown-host": (W, "there is no service {host}", "{hint}"),
    "host-not-exported": (W, "the service {host} is not exported to namespace {namespace}", "{hint}"),
    "unknown-port": (W, "the service {host} has no port {port}", "its ports are {ports}"),
    "port-not-named": (W, "the service {host} has several ports and none is named here", "name one in port.number: {ports}"),
    "unknown-subset": (W, "the service {host} has no subset {subset}: what is sent there fails", "{hint}"),
    "delegate-without-effect": (W, "this rule is out of effect: {why}", "{hint}"),
    "unknown-workload-group": (W, "there is no WorkloadGroup {group}: the entry has only what it says itself", ""),
    "unknown-authorizer": (W, "no external authorizer {name} is declared: what the policy selects is denied", "{hint}"),
    "unknown-gateway": (W, "there is no Gateway {gateway}", "{hint}"),
    "unknown-secret": (W, "there is no Secret {namespace}/{name}: {effect}", "{hint}"),
    "unusable-secret": (W, "the Secret {namespace}/{name} cannot be used: {why}: {effect}", ""),
    "keys-not-fetched": (
        W,
        "the keys at {at} were not fetched: {why}: {effect}",
        "the control plane asks for them; the roots of a private authority are named by `weft serve --jwks-ca`",
    ),
    # the Gateway API
    "route-not-attached": (W, "{reason}: {why}", ""),
    "unresolved-reference": (W, "{reason}: {why}: its share of the requests is answered with an error", ""),
    "route-partly-invalid": (W, "{why}", "such requests are answered with an error; the other rules hold"),
    "policy-not-as-asked": (W, "{reason}: {why}", ""),
    "listener-not-served": (W, "{reason}: {why}", ""),
    "listener-set-not-attached": (W, "{reason}: {why}", ""),
    "gateway-not-as-asked": (W, "{reason}: {why}", ""),
    "gateway-without-workload": (
        W,
        "nothing serves it: {why}",
        "in weft.yaml: {name}: {{x-weft: {{gateway: true, namespace: {namespace}, labels: {{{label}: {name}}}}}}}",
    ),
    "failover-without-outlier-detection": (
        W,
        "only endpoints that are reported ill or gone are failed over from",
        "add outlierDetection beside loadBalancer, and callers leave endpoints that fail by themselves",
    ),
    "tls-mode-mismatch": (W, "{mode} towards {where} fails: {other} has its workloads take {takes}", "{hint}"),
    "conflict": (W, "{what}: {other} is older and wins", "{hint}"),
    # the certificate authority
    "invalid-authority": (E, "{problem}", "{hint}"),
    # what Envoy says
    "envoy-refuses": (E, "Envoy refuses {what}: {words}", "{hint}"),
    "proxy-refused": (E, "the proxy {proxy} refused {what}: {words}", "{hint}"),
}


def finding(code: str, ref: Ref, **words: object) -> Finding:
    """The finding `code` about `ref`, its words filled from `words`. KeyError when the code or a word is missing: our bug."""
    severity, message, hint = CATALOGUE[code]
    return Finding(code, severity, ref, message.format(**words), hint.format(**words))
