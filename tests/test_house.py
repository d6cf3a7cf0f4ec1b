"""The house rules that a program can check: imports point down, files stay small, everything public is explained."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ganvas

ROOT = Path(ganvas.__file__).parent
FILES = {".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))}
MODULES = {name.removesuffix(".__init__"): path for name, path in FILES.items()}

LAYERS = {
    "errors": 0,
    "arguments": 1, "interrupts": 1, "tables": 1, "config": 1, "events": 1, "images": 1, "gallery": 1, "layers": 1,
    "labels": 1, "vgg": 1,
    "models": 2, "data": 2, "losses": 2, "augment": 2, "metrics": 2, "photos": 2,
    "training": 3, "style": 3,
    "runs": 4, "presets": 4, "report": 4, "plots": 4,
    "api": 5, "search": 5, "painter": 5, "film": 5, "reels": 5, "stylists": 5, "quick": 5, "judge": 5,
    "cli": 6, "commands": 6, "display": 6, "doctor": 6, "__main__": 6,
}  # fmt: skip
WITHOUT_TORCH = ("cli", "config", "presets", "images", "gallery", "report", "plots", "events", "errors", "display")
FOREIGN = ("ganvas.vgg", "ganvas.metrics.efficientnet")  # read files of dependencies, after checking their SHA-256
LONGEST_FUNCTION, LONGEST_FILE = 70, 450


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def part(module: str) -> str:
    """`ganvas.training.loop` is of the part `training`."""
    return module.split(".")[1]


def imported(path: Path) -> set[str]:
    """Modules that a file imports anywhere in it; those of ganvas down to the file."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return found


def ours(path: Path) -> set[str]:
    return {name for name in imported(path) if name.startswith("ganvas.")}


def functions(within: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(within) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


inner = pytest.mark.parametrize("module", [name for name in MODULES if name != "ganvas"])
every = pytest.mark.parametrize("module", list(MODULES))


@inner
def test_every_file_has_a_layer(module):
    assert part(module) in LAYERS, f"{module} is in no layer; give it one here and in ARCHITECTURE.md"


@inner
def test_imports_point_down(module):
    here = LAYERS[part(module)]
    up = [name for name in ours(MODULES[module]) if LAYERS[part(name)] > here]
    assert not up, f"{module} (layer {here}) imports {up}, which lie above it"


def test_no_file_imports_itself_in_a_circle():
    below: dict[str, set[str]] = {name: ours(path) for name, path in MODULES.items() if name != "ganvas"}

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a circle of imports: {' -> '.join([*way, name])}"
        for other in below.get(name, set()):
            if not (name == "ganvas.models" or other == "ganvas.models"):  # files there import what the package offers
                visit(other, (*way, name))

    for name in below:
        visit(name, ())


def test_the_package_imports_nothing_at_the_top():
    top = [node for node in tree(ROOT / "__init__.py").body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {getattr(node, "module", None) for node in top} <= {"__future__", "typing"}


def test_only_the_engine_knows_of_other_processes():
    users = [name for name, path in MODULES.items() if any(n.startswith("torch.distributed") for n in imported(path))]
    users += [name for name, path in MODULES.items() if "from torch import distributed" in path.read_text()]
    assert set(users) <= {"ganvas.training.engine"}


def test_models_see_no_training():
    for name, path in MODULES.items():
        if part(name + ".") == "models":
            assert not {
                n for n in imported(path) if n.startswith(("torch.optim", "ganvas.training", "pathlib", "ganvas.data"))
            }


def test_nothing_is_unpickled():
    for name, path in MODULES.items():
        assert not {"pickle", "dill", "joblib", "shelve"} & imported(path), name
        calls = [ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
        if name not in FOREIGN:
            assert "torch.load" not in calls, name
        assert "eval" not in calls, name
        assert "exec" not in calls, name


@pytest.mark.parametrize("module", FOREIGN)
def test_foreign_files_give_tensors_only(module):
    calls = [node for node in ast.walk(tree(MODULES[module])) if isinstance(node, ast.Call)]
    loads = [node for node in calls if ast.unparse(node.func) == "torch.load"]
    words = [ast.unparse(word.value) for node in loads for word in node.keywords if word.arg == "weights_only"]
    assert words == ["True"]


def test_faces_start_without_torch():
    lines = [f"import ganvas.{name}" for name in WITHOUT_TORCH]
    lines += ["from ganvas.cli import main", "assert main(['--help']) == 0", "assert main(['presets']) == 0"]
    lines += ["import sys", "assert 'torch' not in sys.modules, 'torch was imported'"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@every
def test_functions_fit_on_a_screen(module):
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions(tree(MODULES[module]))}
    assert not {name: lines for name, lines in long.items() if lines > LONGEST_FUNCTION}


@every
def test_files_stay_short(module):
    path = MODULES[module]
    lines = len(path.read_text(encoding="utf-8").splitlines())
    for node in ast.walk(tree(path)):  # a page's style sheet is not code
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            lines -= (node.end_lineno or node.lineno) - node.lineno
    assert lines <= LONGEST_FILE


def test_classes_inherit_one_level_of_ours():
    parents = {
        node.name: [ast.unparse(base).split(".")[-1] for base in node.bases]
        for path in MODULES.values()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and node.name not in ("Config", "Generator", "Discriminator")
    }
    for name, bases in parents.items():
        for base in bases:
            deeper = [grand for grand in parents.get(base, []) if grand in parents]
            assert not deeper, f"{name} inherits from {base}, which inherits from {deeper}"


@every
def test_everything_public_is_explained(module):
    parsed = tree(MODULES[module])
    assert ast.get_docstring(parsed), f"{module} does not say what it is for"
    private = [c for c in ast.walk(parsed) if isinstance(c, ast.ClassDef) and c.name.startswith("_")]
    inside = {node for outer in [*functions(parsed), *private] for node in ast.walk(outer) if node is not outer}
    for node in ast.walk(parsed):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_") and node not in inside:
            assert ast.get_docstring(node), f"{module}.{node.name} has no docstring"


@every
def test_documented_arguments_exist(module):
    for function in functions(tree(MODULES[module])):
        text = ast.get_docstring(function) or ""
        if "\nArgs:\n" not in text:
            continue
        block = text.split("\nArgs:\n")[1].split("\n\n")[0]
        named = [
            line.strip().split(":")[0] for line in block.splitlines() if line.startswith("    ") and line[4] != " "
        ]
        arguments = function.args
        real = {
            a.arg for a in [*arguments.args, *arguments.kwonlyargs, *filter(None, [arguments.vararg, arguments.kwarg])]
        }
        assert set(named) <= real, f"{module}.{function.name} documents {sorted(set(named) - real)}"
