# SPDX-License-Identifier: Apache-2.0
"""What tools/kapu/steps.py promises: when a step runs, and what is left when it fails."""

import importlib.util
import itertools
import os
import shutil

import pytest

from kapu import steps
from kapu.errors import KapuError
from kapu.paths import ROOT
from kapu.steps import Step

RECIPE = '''
FLAG = "-O2"
TABLE = {"a": 1}
UNUSED = 1

def deepest():
    return FLAG

def helper():
    return deepest()

def in_lambda():
    return "x"

def unrelated():
    return UNUSED

def work(step, out):
    words = [word() for word in (lambda: in_lambda(), helper)]
    (out / "result").write_text(" ".join(words) + str(TABLE))
'''


class Say:
    """Counts what a person would see."""

    def __init__(self):
        self.ran, self.found = [], []

    def started(self, step):
        self.ran.append(step.name)

    def cached(self, step):
        self.found.append(step.name)

    def done(self, step):
        pass


@pytest.fixture
def say():
    return Say()


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(steps, "BUILD", tmp_path / "build")


@pytest.fixture
def work_of(tmp_path):
    """The function `work` of a module with this text."""
    number = itertools.count()

    def load(text=RECIPE):
        path = tmp_path / f"{next(number)}" / "recipe.py"
        path.parent.mkdir()
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.work

    return load


def write_result(step, out):
    (out / "result").write_text(" ".join(step.values))


def left_behind(step):
    return sorted(step.base.iterdir()) if step.base.exists() else []


# ---- when a step runs

def test_a_step_runs_once_for_equal_inputs(say, tmp_path):
    (tmp_path / "source").write_text("x")
    for _ in range(3):
        step = Step("one", write_result, files=[tmp_path / "source"], values=["v"])
        step.build(say)
    assert say.ran == ["one"] and say.found == ["one", "one"]
    assert (step.out / "result").read_text() == "v"


def test_needs_are_built_first_and_each_once(say):
    base = Step("base", write_result)
    left = Step("left", write_result, needs=[base])
    right = Step("right", write_result, needs=[base])
    Step("top", write_result, needs=[left, right]).build(say)
    assert say.ran == ["base", "left", "right", "top"]


def test_shared_results_lie_in_the_cache_and_others_in_the_checkout(say, tmp_path):
    for shared, folder in ((True, "cache"), (False, "build")):
        step = Step("one", write_result, shared=shared)
        step.build(say)
        assert step.out.parent == tmp_path / folder / "results" / "one"


@pytest.mark.parametrize("before, after", [
    ('FLAG = "-O2"', 'FLAG = "-O3"'),
    ('{"a": 1}', '{"a": 2}'),
    ("return FLAG", "return FLAG + FLAG"),
    ('return "x"', 'return "y"'),
    ('" ".join(words)', '"-".join(words)'),
], ids=["constant", "table", "helper of a helper", "function in a lambda", "the work itself"])
def test_changed_code_that_the_step_uses_makes_a_new_result(work_of, before, after):
    changed = RECIPE.replace(before, after)
    assert changed != RECIPE
    assert Step("one", work_of()).key() != Step("one", work_of(changed)).key()


@pytest.mark.parametrize("before, after", [
    ("return UNUSED", "return 7"), ("UNUSED = 1", "UNUSED = 2"),
], ids=["function", "constant"])
def test_changed_code_that_the_step_does_not_use_keeps_the_result(work_of, before, after):
    changed = RECIPE.replace(before, after)
    assert changed != RECIPE
    assert Step("one", work_of()).key() == Step("one", work_of(changed)).key()


def test_a_changed_value_makes_a_new_result():
    keys = [Step("one", write_result, values=v).key() for v in ([], ["a"], ["b"], ["a", "b"])]
    assert len(set(keys)) == 4


def test_a_changed_need_makes_a_new_result():
    keys = [Step("top", write_result, needs=[Step("base", write_result, values=[v])]).key()
            for v in "ab"]
    assert keys[0] != keys[1]


@pytest.mark.parametrize("change", [
    lambda tree: (tree / "deep" / "file").write_text("other"),
    lambda tree: (tree / "deep" / "file").rename(tree / "deep" / "renamed"),
    lambda tree: (tree / "deep" / "file").chmod(0o755),
    lambda tree: (tree / "new").write_text(""),
    lambda tree: (tree / "deep" / "file").unlink(),
    lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("elsewhere")),
], ids=["content", "name", "executable bit", "new file", "deleted file", "target of a link"])
def test_a_changed_folder_makes_a_new_result(tmp_path, change):
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "file").write_text("text")
    (tree / "link").symlink_to("deep/file")
    before = Step("one", write_result, files=[tree]).key()
    assert Step("one", write_result, files=[tree]).key() == before
    change(tree)
    assert Step("one", write_result, files=[tree]).key() != before


def test_times_and_python_caches_are_no_inputs(tmp_path):
    tree = tmp_path / "tree"
    (tree / "__pycache__").mkdir(parents=True)
    (tree / "file").write_text("text")
    before = Step("one", write_result, files=[tree]).key()
    os.utime(tree / "file", (1, 1))
    (tree / "__pycache__" / "x.pyc").write_text("x")
    assert Step("one", write_result, files=[tree]).key() == before


def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(KapuError, match=f"build input {tmp_path}/nothing is missing"):
        Step("one", write_result, files=[tmp_path / "nothing"]).key()


def test_a_changed_environment_of_its_commands_makes_a_new_result():
    keys = []
    for seed in ("a", "b"):
        step = Step("one", write_result)
        step.environment["SEED"] = seed
        keys.append(step.key())
    assert keys[0] != keys[1] and Step("one", write_result).key() not in keys


def test_a_program_of_a_step_counts_with_what_it_imports(tmp_path):
    (tmp_path / "program.py").write_text("import part\nprint(part.ONE)\n")
    (tmp_path / "part.py").write_text("ONE = 1\n")
    (tmp_path / "other.py").write_text("ONE = 1\n")

    def key():
        return Step("one", write_result, files=[tmp_path / "program.py"]).key()

    before = key()
    (tmp_path / "other.py").write_text("ONE = 2\n")
    assert key() == before
    (tmp_path / "part.py").write_text("ONE = 2\n")
    assert key() != before


# ---- inputs that nobody named

READS = {
    "open": lambda step, out: (ROOT / "VERSION").read_text(),
    "copy": lambda step, out: shutil.copy(ROOT / "VERSION", out),
    "copy of a folder": lambda step, out: shutil.copytree(ROOT / "gateway/kernel", out / "copy"),
    "command": lambda step, out: step.run("cat", ROOT / "VERSION"),
    "option of a command": lambda step, out: step.run("true", f"--from={ROOT}/VERSION:/target:0644"),
    "folder of a command": lambda step, out: step.run("ls", ROOT / "gateway/kernel"),
    "said by the step": lambda step, out: step.reads(out / os.path.relpath(ROOT / "VERSION", out)),
}


@pytest.mark.parametrize("work", READS.values(), ids=READS)
def test_a_step_that_reads_what_is_not_among_its_inputs_fails(say, work):
    step = Step("one", work)
    with pytest.raises(KapuError, match="reads what is not among its files=.*(VERSION|gateway/kernel)"):
        step.build(say)
    assert left_behind(step) == []


@pytest.mark.parametrize("work", READS.values(), ids=READS)
def test_a_step_may_read_its_inputs_and_those_of_the_steps_that_it_needs(say, work):
    files = [ROOT / "VERSION", ROOT / "gateway/kernel"]
    Step("one", work, files=files).build(say)
    Step("two", work, needs=[Step("base", write_result, files=files)]).build(say)
    assert say.ran == ["one", "base", "two"]


def test_what_is_read_outside_of_a_step_is_nobodys_input(say):
    (ROOT / "VERSION").read_text()
    Step("one", write_result).build(say)
    assert say.ran == ["one"]


# ---- what is left when it fails

def test_a_failed_step_leaves_nothing_and_runs_again(say):
    def work(step, out):
        (out / "half").write_text("x")
        step.run("false")

    step = Step("bad", work)
    for _ in range(2):
        with pytest.raises(KapuError):
            step.build(say)
    assert left_behind(step) == [] and say.ran == ["bad", "bad"]


def test_a_failure_names_step_command_and_log_and_shows_the_last_lines(say):
    def work(step, out):
        step.run("sh", "-c", "seq 100; echo the reason >&2; exit 3")

    step = Step("bad", work)
    with pytest.raises(KapuError) as caught:
        step.build(say)
    text = str(caught.value)
    assert "step 'bad' failed with status 3" in text
    assert "command: sh -c seq 100;" in text and f"full log: {step.log_path}" in text
    shown = [line for line in text.splitlines() if line.startswith("  | ")]
    assert len(shown) == steps.LAST_LINES and shown[-2:] == ["  | 100", "  | the reason"]
    assert "\n1\n2\n3\n" in step.log_path.read_text()


def test_a_command_that_is_not_installed_is_a_failure_of_its_step(say):
    def work(step, out):
        step.run("kapu-no-such-command", "argument")

    step = Step("bad", work)
    with pytest.raises(KapuError, match="step 'bad'.*(?s:.*)kapu-no-such-command argument"):
        step.build(say)
    assert left_behind(step) == []


def test_a_build_stopped_from_the_keyboard_leaves_no_result(say):
    def work(step, out):
        (out / "half").write_text("x")
        raise KeyboardInterrupt

    step = Step("bad", work)
    with pytest.raises(KeyboardInterrupt):
        step.build(say)
    assert left_behind(step) == []


def test_a_killed_build_leaves_no_result_and_the_next_one_makes_it(say):
    parent = os.getpid()

    def work(step, out):
        (out / "half").write_text("x")
        if os.getpid() != parent:
            os._exit(9)
        (out / "whole").write_text("x")

    child = os.fork()
    if child == 0:
        Step("one", work).build(say)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    step = Step("one", work)
    assert not step.out.exists()
    step.build(say)
    assert (step.out / "whole").exists()


# ---- old results, environment

def numbered(number):
    return Step("one", write_result, values=[number])


def test_old_results_go_and_the_newest_stay(say):
    made = [numbered(i) for i in range(steps.KEEP_RESULTS + 3)]
    for i, step in enumerate(made):
        step.build(say)
        os.utime(step.out, (i + 1, i + 1))
    assert [step.out.exists() for step in made] == [False] * 3 + [True] * steps.KEEP_RESULTS


def test_a_result_that_is_used_again_counts_as_new(say):
    made = [numbered(i) for i in range(steps.KEEP_RESULTS)]
    for i, step in enumerate(made):
        step.build(say)
        os.utime(step.out, (i + 1, i + 1))
    numbered(0).build(say)
    numbered("new").build(say)
    assert made[0].out.exists() and not made[1].out.exists()


def test_the_current_result_stays_even_when_it_looks_old(say):
    for i in range(steps.KEEP_RESULTS):
        numbered(i).build(say)

    def work(step, out):
        os.utime(out, (1, 1))  # as copying a folder with its times does

    step = Step("one", work)
    step.build(say)
    assert step.out.exists()


def test_commands_see_nothing_of_the_users_environment(say, monkeypatch):
    monkeypatch.setenv("CFLAGS", "-DMINE")
    monkeypatch.setenv("LC_ALL", "hu_HU")

    def work(step, out):
        step.run("env", env={"ARCH": "arm64"})

    step = Step("one", work)
    step.build(say)
    log = step.log_path.read_text().splitlines()
    assert "ARCH=arm64" in log and "LC_ALL=C.UTF-8" in log and "CFLAGS=-DMINE" not in log


def test_a_step_whose_inputs_change_while_it_runs_has_no_result(tmp_path, say):
    source = tmp_path / "source"
    source.write_text("before")

    def work(step, out):
        source.write_text("meanwhile")

    step = Step("one", work, files=[source])
    with pytest.raises(KapuError, match="changed while it ran"):
        step.build(say)
    assert not step.out.exists()
