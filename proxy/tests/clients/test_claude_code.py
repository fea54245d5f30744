"""Claude Code in print mode: the model calls Bash, Bash runs, its output comes back as the answer."""

import json


def ask(run, gateway, model, prompt):
    out = run(
        ["claude", "-p", prompt, "--output-format", "json", "--allowedTools", "Bash"],
        {
            "ANTHROPIC_BASE_URL": gateway.url,
            "ANTHROPIC_AUTH_TOKEN": gateway.key,
            "ANTHROPIC_MODEL": model,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
    )
    return json.loads(out)


def test_a_tool_loop(gateway, model, run, workdir, metered):
    before = len(gateway.calls(model, 0))
    command = {"command": "echo ran-claude-$((40+2)) | tee proof.txt", "description": "Leaves a proof"}
    answer = ask(run, gateway, model, f"Leave a proof. [tool:Bash {json.dumps(command)}]")
    assert not answer["is_error"], answer
    assert (workdir / "proof.txt").read_text() == "ran-claude-42\n"
    assert "ran-claude-42" in answer["result"], "the tool's output went back to the model"
    calls = metered(model, before)
    assert {call["surface"] for call in calls} == {"messages"}
    assert answer["usage"]["output_tokens"] == sum(call["usage"]["output"] for call in calls)
    assert answer["usage"]["input_tokens"] == sum(call["usage"]["input"] for call in calls)


def test_parallel_tool_calls(gateway, model, run, workdir, metered):
    before = len(gateway.calls(model, 0))
    triggers = [json.dumps({"command": f"echo out-{n} | tee proof-{n}.txt", "description": "x"}) for n in (1, 2)]
    answer = ask(run, gateway, model, " ".join(f"[tool:Bash {t}]" for t in triggers))
    assert sorted(path.name for path in workdir.glob("proof-*")) == ["proof-1.txt", "proof-2.txt"]
    assert "out-1" in answer["result"] and "out-2" in answer["result"], answer
    metered(model, before)


def test_its_own_count_of_the_context(gateway, model, run):
    before = len(gateway.calls(model, 0))
    answer = ask(run, gateway, model, "/context")
    assert not answer["is_error"] and "Context Usage" in answer["result"], answer
    calls = gateway.calls(model, before + 1)[before:]
    assert {call["surface"] for call in calls} == {"count_tokens"}, calls
    # Elsewhere nobody counts for Anthropic's clients (404): Claude Code then estimates.
    statuses = {call["status"] for call in calls}
    assert statuses == {200} if model == "to-anthropic" else statuses <= {200, 404}, calls
