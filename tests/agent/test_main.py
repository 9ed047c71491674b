"""What the agent does before it serves."""

from pathlib import Path

from weft.agent.main import sweep


def test_what_a_killed_agent_left_of_proxies_that_are_no_more_is_removed(tmp_path: Path) -> None:
    """Files and folders of other proxies go; those of wanted ones and of the node itself stay."""
    for path in ("keys/node.pem", "keys/default_web-0.pem", "keys/default_old-0.pem", "held/default_old-0.held"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("")
    for folder in ("envoy/default_web-0", "envoy/default_old-0"):
        (tmp_path / folder).mkdir(parents=True)
    sweep(tmp_path, frozenset({"default/web-0"}))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")}
    assert left == {"keys/node.pem", "keys/default_web-0.pem", "envoy/default_web-0"}
