"""The wheel: built from the binary under test, installed into an empty environment, and used."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from rig.server import binary

SOURCE = Path(__file__).resolve().parents[2] / "python"
MATURIN = "maturin==1.16.0"
#: Cargo has built the binary already, but a machine may be busy.
BUILD_SECONDS = 900


def run(*arguments, **more):
    ran = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, **more)
    assert ran.returncode == 0, f"{arguments}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def maturin():
    """The build tool, installed once beside the suites' own environment."""
    folder = Path(sys.prefix).parent / "maturin"
    tool = folder / "bin/maturin"
    wanted = MATURIN.replace("==", " ")
    if tool.exists() and run(tool, "--version").strip() == wanted:
        return tool
    venv.create(folder, with_pip=True, clear=True)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", MATURIN]
    ran = subprocess.run([str(a) for a in pip], capture_output=True, text=True)
    if ran.returncode != 0:
        pytest.skip(f"{MATURIN} cannot be installed: {ran.stderr.strip().splitlines()[-1]}")
    return tool


@pytest.fixture(scope="module")
def wheel(maturin, tmp_path_factory):
    """The wheel; cargo finds the binary as the suites built it, so nothing is compiled twice."""
    out = tmp_path_factory.mktemp("wheel")
    target = Path(binary()).resolve().parent.parent
    run(
        *(maturin, "build", "--quiet", "--profile", "dev", "--compatibility", "linux"),
        *("--target-dir", target, "--out", out),
        cwd=SOURCE,
    )
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An empty environment with the wheel, and boto3 and pytest borrowed from the suites' own."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    scheme = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.mark.timeout(BUILD_SECONDS)
def test_the_wheel_holds_the_binary_and_the_package(wheel):
    names = run(sys.executable, "-m", "zipfile", "--list", wheel)
    assert ".data/scripts/levada" in names
    assert "levada/__init__.py" in names and "levada/py.typed" in names
    assert wheel.name.startswith("levada-") and "-py3-none-" in wheel.name


@pytest.mark.timeout(BUILD_SECONDS)
def test_the_package_as_its_users_use_it(environment, tmp_path):
    variables = {n: v for n, v in os.environ.items() if not n.startswith(("LEVADA_", "AWS_"))}
    tests = ("-m", "pytest", "--quiet", "-p", "no:cacheprovider", SOURCE / "tests")
    said = run(environment, *tests, cwd=tmp_path, env={**variables, "PYTHONDONTWRITEBYTECODE": "1"})
    assert " passed" in said and "skipped" not in said, said
