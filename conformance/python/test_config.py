"""Configuration in layers, and the commands that show it, wait for it and complete it."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from rig.command import run
from rig.server import Server, binary, environment

SECONDS = 30
REFERENCE = Path(__file__).resolve().parents[2] / "docs/levada.toml"


@pytest.fixture
def home(tmp_path):
    """A user without a configuration: the variables that say so."""
    (tmp_path / "config/levada").mkdir(parents=True)
    return {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "LEVADA_CONFIG": "",
    }


def write(home, text, name="levada.toml"):
    path = Path(home["XDG_CONFIG_HOME"]) / "levada" / name
    path.write_text(text)
    return path


def shown(*arguments, **variables):
    """What is in force: key to (value, origin)."""
    ran = run("config", "show", "--json", *arguments, **variables)
    assert ran.returncode == 0, ran.stderr
    return {row["key"]: (row["value"], row["origin"]) for row in json.loads(ran.stdout)}


def test_a_flag_beats_a_variable_beats_the_file_beats_the_default(home):
    path = write(home, '\nlisten = "127.0.0.1:1"\naccount = "111111111111"\nlimits = "aws"\n')
    variables = {"LEVADA_LISTEN": "127.0.0.1:2", "LEVADA_ACCOUNT": "222222222222", **home}
    found = shown("--listen", "127.0.0.1:3", **variables)
    assert found["listen"] == ("127.0.0.1:3", "flag --listen")
    assert found["account"] == ("222222222222", "env LEVADA_ACCOUNT")
    assert found["limits"] == ("aws", f"{path}:4")
    assert found["auth"] == ("sigv4", "default")
    assert found["data"] == (f"{home['XDG_DATA_HOME']}/levada", "default")


def test_an_empty_variable_is_none(home):
    write(home, 'account = "111111111111"\n')
    assert shown(LEVADA_ACCOUNT="", **home)["account"][0] == "111111111111"


def test_a_switch_can_be_switched_back(home):
    write(home, "in_memory = true\n")
    assert shown(**home)["in_memory"][0] == "true"
    assert shown("--in-memory=false", **home)["in_memory"] == ("false", "flag --in-memory")
    assert shown(LEVADA_IN_MEMORY="no", **home)["in_memory"] == ("false", "env LEVADA_IN_MEMORY")


def test_a_named_file_comes_before_the_users(home, tmp_path):
    write(home, 'log = "warn"\n')
    other = tmp_path / "other.toml"
    other.write_text('log = "debug"\n')
    assert shown("--config", other, **home)["log"] == ("debug", f"{other}:1")
    assert shown(**{**home, "LEVADA_CONFIG": str(other)})["log"] == ("debug", f"{other}:1")
    missing = run("config", "show", "--config", tmp_path / "missing", **home)
    assert missing.returncode == 2
    assert "missing" in missing.stderr and "help:" in missing.stderr


def test_what_is_shown_is_a_file_that_says_the_same(home):
    flags = ("--account", "123456789012", "--in-memory", "--state-delay", "5ms")
    text = run("config", "show", "--origin", *flags, **home).stdout
    assert 'account = "123456789012"' in text and "# flag --account" in text
    before = shown(*flags, **home)
    write(home, text)
    after = shown(**home)
    assert {k: v for k, (v, _) in before.items()} == {k: v for k, (v, _) in after.items()}


@pytest.mark.parametrize(
    "text, place, words",
    [
        ('limts = "aws"', ":1", "did you mean `limits`?"),
        ('\n[server]\nlisten = "x"', ":3", "unknown key `server.listen`"),
        ('listen = "4567"', ":1", "listen cannot be used"),
        ('\nauth = "off"', ":2", "none of sigv4, none"),
        ("log = info", ":1", "TOML"),
        ('root_access_key_id = "AKIA"', ":1", "LEVADA_ROOT_ACCESS_KEY_ID"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_line(home, text, place, words):
    path = write(home, text + "\n")
    for command in (("config", "check"), ("config", "show"), ("serve",), ("status",)):
        ran = run(*command, **home)
        assert ran.returncode == 2, (command, ran.stderr)
        assert ran.stdout == ""
        assert ran.stderr.startswith(f"error: {path}{place}: ") and words in ran.stderr
        assert "help: " in ran.stderr
    assert run("completions", "bash", **home).returncode == 0
    assert run("config", "docs", **home).returncode == 0


def test_a_variable_that_makes_no_sense_is_named(home):
    ran = run("serve", LEVADA_STATE_DELAY="soon", **home)
    assert ran.returncode == 2
    assert "LEVADA_STATE_DELAY" in ran.stderr and "help: it means --state-delay" in ran.stderr


def test_check(home):
    none = run("config", "check", **home)
    assert (none.returncode, none.stdout) == (0, "")
    write(home, 'limits = "aws"\n')
    some = run("config", "check", **home)
    assert (some.returncode, some.stdout) == (0, "")
    assert "fine" in some.stderr


def test_the_reference_is_fresh(home):
    assert run("config", "docs", **home).stdout == REFERENCE.read_text()


def test_the_clients_read_the_same_file(home, tmp_path):
    data = tmp_path / "elsewhere"
    path = write(home, f'data = "{data}"\nstate_delay = "0ms"\n')
    served = Server(data, "--config", str(path), **home)
    served.arguments.remove("--data")
    served.arguments.remove(str(data))
    served.start()
    try:
        assert served.ready["data"] == str(data)
        assert run("status", **home).returncode == 0
        assert run("wait", "--ready", "10s", **home).returncode == 0
    finally:
        served.stop()


def test_lines_of_the_log_as_json(tmp_path):
    served = Server(tmp_path / "data", "--auth", "none", LEVADA_LOG_FORMAT="json").start()
    served.stop()
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    assert any("not checked" in line["fields"]["message"] for line in lines)


def test_wait_until_it_is_there(tmp_path):
    waiting = subprocess.Popen(
        [binary(), "wait", "--data", str(tmp_path / "data")],
        stderr=subprocess.PIPE,
        env=environment(),
    )
    try:
        server = Server(tmp_path / "data").start()
        assert waiting.wait(SECONDS) == 0, waiting.stderr.read()
    finally:
        waiting.kill()
        waiting.communicate()
    assert run("wait", "--endpoint", server.endpoint).returncode == 0
    server.kill()
    # What it left behind points at nobody.
    gone = run("wait", "--data", server.data, "--ready", "100ms")
    assert gone.returncode == 3
    assert server.endpoint in gone.stderr


def test_wait_has_an_end(tmp_path):
    began = time.monotonic()
    ran = run("wait", "--data", tmp_path / "nothing", "--ready", "200ms")
    assert 0.2 <= time.monotonic() - began < 10
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "not ready after 200 ms" in ran.stderr and "help:" in ran.stderr


def test_wait_for_what_can_never_be(tmp_path):
    ran = run("wait", "--endpoint", "ftp://nowhere", "--ready", "30s")
    assert ran.returncode == 1


def test_status_in_brief_needs_no_key(server):
    nobody = {"LEVADA_ROOT_ACCESS_KEY_ID": "", "LEVADA_ROOT_SECRET_ACCESS_KEY": ""}
    ran = run("status", "--brief", "--json", "--endpoint", server.endpoint, **nobody)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"ready": True, "detail": "ready"}
    ran = run("status", "--brief", "--endpoint", server.endpoint, **nobody)
    assert (ran.returncode, ran.stdout) == (0, "ready\n")


def test_env_of_an_endpoint_as_json(server):
    ran = run("env", "--json", "--endpoint", server.endpoint, "--region", "eu-west-1")
    variables = json.loads(ran.stdout)
    assert variables["AWS_ENDPOINT_URL_KINESIS"] == server.endpoint
    assert variables["AWS_REGION"] == "eu-west-1"
    assert variables["AWS_PROFILE"] is None
    assert "AWS_ENDPOINT_URL" not in variables


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "elvish", "powershell"])
def test_completions(shell):
    ran = run("completions", shell)
    assert ran.returncode == 0
    assert "levada" in ran.stdout and "state-delay" in ran.stdout


def test_completions_are_bash(tmp_path):
    bash = shutil.which("bash")
    if not bash:
        pytest.skip("there is no bash")
    script = tmp_path / "levada.bash"
    script.write_text(run("completions", "bash").stdout)
    asked = f"""
        source {script}
        COMP_WORDS=(levada con) COMP_CWORD=1
        _levada levada con levada
        echo "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run([bash, "-c", asked], capture_output=True, text=True, timeout=SECONDS)
    assert ran.stdout.split() == ["config"], ran.stderr
