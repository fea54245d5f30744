"""Codex without a screen: the model calls its shell, the shell runs, its output comes back as the answer."""

import json

import pytest

CONFIG = """
model = "{model}"
model_provider = "sallyport"

[model_providers.sallyport]
name = "sallyport"
base_url = "{url}/v1"
env_key = "SALLYPORT_KEY"
wire_api = "responses"
"""


@pytest.fixture
def ask(run, gateway, home):
    def ask(model, prompt):
        (home / "config.toml").write_text(CONFIG.format(model=model, url=gateway.url))
        out = run(
            ["codex", "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt],
            {"CODEX_HOME": str(home), "SALLYPORT_KEY": gateway.key},
        )
        return [json.loads(line) for line in out.splitlines()]

    return ask


def items(events, kind):
    found = [e["item"] for e in events if e["type"] == "item.completed"]
    return [item for item in found if item["type"] == kind]


def test_a_tool_loop(gateway, model, ask, workdir, metered):
    before = len(gateway.calls(model, 0))
    arguments = json.dumps({"cmd": "echo ran-codex-$((40+2)) | tee proof.txt"})
    events = ask(model, f"Leave a proof. [tool:exec_command {arguments}]")
    assert (workdir / "proof.txt").read_text() == "ran-codex-42\n"
    (command,) = items(events, "command_execution")
    assert (command["exit_code"], command["aggregated_output"]) == (0, "ran-codex-42\n")
    assert items(events, "reasoning"), events
    assert "ran-codex-42" in items(events, "agent_message")[-1]["text"], "the tool's output went back to the model"
    calls = metered(model, before)
    assert {call["surface"] for call in calls} == {"responses"}
    usage = events[-1]["usage"]
    assert usage["input_tokens"] == sum(call["usage"]["input"] for call in calls)
    assert usage["output_tokens"] == sum(call["usage"]["output"] for call in calls)
