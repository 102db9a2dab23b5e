"""`kerasfer`, one command for all programs of the package.

Each command is the program of the same name in `recipes/` or `data_prep/`: `kerasfer
train ada_cm` is `python recipes/ada_cm.py`. None is imported before it is chosen.
"""

import ast
import difflib
import importlib
import importlib.util
import os
import pathlib
import pkgutil
import sys

_USAGE = """\
usage: kerasfer COMMAND ...        each COMMAND has --help

Begin here
  doctor [RECIPE]           whether training works here; what memory a run takes
  train RECIPE              train a method beside its baselines; without flags
                            on rendered faces, in minutes, with no download
Your faces
  prepare DATASET           a folder, CSV, video or data set -> manifest.csv
  check MANIFEST            unreadable, blank, duplicate images; mixed splits
Results
  report RUN                one page of a run or of a study
  compare RUNS              runs side by side: differences and their errors
  export RUN OUT            SavedModel, ONNX or LiteRT with its preprocessing
  evaluate MODEL DATA       a model on labelled faces, with intervals
  predict MODEL PHOTOS      what faces in photos, videos or a camera show
Studies
  study NAME                methods x settings x seeds, in tables
  table STUDY               a study beside its paper's numbers
  tune                      a search over weights and rates, on validation
  figures                   the figures of the Margin-Mix supplement
  systems                   what the papers' tables name, and what is here of it

First:  kerasfer doctor
Then:   kerasfer train margin_mix
Tab completion (bash; zsh after bashcompinit):  eval "$(kerasfer completion)"
With your own faces:
        kerasfer prepare from_folder FACES OUT --layout class
        kerasfer train margin_mix --manifest OUT/manifest.csv
"""

# Command -> package whose modules it runs, or the module itself.
_PROGRAMS = {
    "train": "kerasfer.recipes",
    "prepare": "kerasfer.data_prep",
    "check": "kerasfer.data_prep.check",
    "report": "kerasfer.recipes.report",
    "compare": "kerasfer.recipes.compare",
    "export": "kerasfer.recipes.export",
    "evaluate": "kerasfer.recipes.evaluate",
    "predict": "kerasfer.recipes.predict",
    "study": "kerasfer.recipes.study",
    "table": "kerasfer.recipes.table",
    "tune": "kerasfer.recipes.tune",
    "figures": "kerasfer.recipes.figures",
    "systems": "kerasfer.recipes.systems",
}
_NAMED = {"train": "RECIPE", "prepare": "DATASET"}
_NO_EXPERIMENTS = (
    "error: {title} needs packages that are not installed. Install them: pip install "
    '"kerasfer[experiments]"'
)
_DOCTOR = """\
usage: kerasfer doctor [RECIPE [FLAGS]]

Says whether training works here. With a recipe and the flags of a run: how much memory
it will take, from two steps, and which batch fits where that is too much.
"""


def main(words=None):
    """Runs a command.

    Args:
        words: of the command line; None takes them from `sys.argv`.

    Returns:
        exit code: 0 for help, 2 for a command that does not exist; else the program's.
    """
    words = list(sys.argv[1:] if words is None else words)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_USAGE, end="")
        return 0
    command, rest = words[0], words[1:]
    if command in ("--version", "version"):
        import kerasfer

        print(f"kerasfer {kerasfer.__version__}")
        return 0
    if command == "doctor":
        return _doctor(rest)
    if command == "completion":
        print(_completion())
        return 0
    if command not in _PROGRAMS:
        return _unknown("command", command, [*_PROGRAMS, "doctor"], "kerasfer --help")
    if command in _NAMED:
        return _run_named(command, rest)
    return _run(_PROGRAMS[command], f"kerasfer {command}", rest)


def programs_of(command):
    """Names that `train` or `prepare` takes."""
    if command == "train":
        from kerasfer.recipes import TRAINING

        return [*TRAINING]
    folder = importlib.util.find_spec(_PROGRAMS[command]).submodule_search_locations
    return sorted(m.name for m in pkgutil.iter_modules(folder) if m.name != "check")


def _run_named(command, words):
    names = programs_of(command)
    if not words or words[0] in ("-h", "--help"):
        print(f"usage: kerasfer {command} {_NAMED[command]} ...\n")
        for name in names:
            print(f"  {name:<22} {_first_line(f'{_PROGRAMS[command]}.{name}')}")
        print(f"\nkerasfer {command} {_NAMED[command]} --help  says more of one.")
        return 0
    name, rest = words[0], words[1:]
    if name not in names:
        what, see = _NAMED[command].lower(), f"kerasfer {command}"
        return _unknown(what, name, names, see)
    return _run(f"{_PROGRAMS[command]}.{name}", f"kerasfer {command} {name}", rest)


def _doctor(words):
    if words and words[0] in ("-h", "--help"):
        print(_DOCTOR, end="")
        return 0
    if words and words[0] not in programs_of("train"):
        names = programs_of("train")
        return _unknown("recipe", words[0], names, "kerasfer doctor --help")
    from kerasfer.doctor import examine
    from kerasfer.quiet import quiet

    quiet()
    if not words:
        return examine()
    if importlib.util.find_spec("tyro") is None:
        print(_NO_EXPERIMENTS.format(title="kerasfer doctor RECIPE"), file=sys.stderr)
        return 1
    from kerasfer.experiments.flags import parse
    from kerasfer.experiments.memory import check_memory
    from kerasfer.experiments.study.file import load_recipe

    recipe = load_recipe(words[0], "doctor")
    config = parse(recipe.config, words[1:])

    def memory():
        return check_memory(recipe, config)

    return examine([memory])


def _run(module, title, words):
    if importlib.util.find_spec("tyro") is None:
        print(_NO_EXPERIMENTS.format(title=title), file=sys.stderr)
        return 1
    sys.argv = [title, *words]
    program = importlib.import_module(module)
    main_of = program.main if hasattr(program, "main") else program.RECIPE.main
    main_of()
    return 0


def _completion():
    """A script for bash: commands, then names of recipes, data sets and studies."""
    from kerasfer.recipes import __path__ as recipes

    studies = sorted(p.stem for p in pathlib.Path(recipes[0]).glob("studies/*.yaml"))
    named = {c: programs_of(c) for c in _NAMED} | {"study": studies, "table": studies}
    named = {command: " ".join(names) for command, names in named.items()}
    cases = "\n".join(f"    {c}) words='{names}' ;;" for c, names in named.items())
    commands = " ".join([*_PROGRAMS, "doctor"])
    return f"""\
_kerasfer() {{
  local words=""
  if [ "$COMP_CWORD" -eq 1 ]; then words='{commands}'
  elif [ "$COMP_CWORD" -eq 2 ]; then case "${{COMP_WORDS[1]}}" in
{cases}
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _kerasfer kerasfer"""


def _unknown(what, word, known, see):
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    print(
        f"error: no {what} {word}.{hint} Expected one of {', '.join(known)}. See "
        f"`{see}`.",
        file=sys.stderr,
    )
    return 2


def _first_line(module):
    """Of a module's docstring, without importing it."""
    with open(importlib.util.find_spec(module).origin, encoding="utf8") as file:
        return ast.get_docstring(ast.parse(file.read())).splitlines()[0]


def run():
    """The entry point of `kerasfer` and of `python -m kerasfer`."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # `kerasfer train | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
    sys.exit(code)
