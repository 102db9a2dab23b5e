"""Schemes and plug-ins by their names on a command line, such as "fixmatch+abc", and
those of a user's own, such as "mine.py:Consistency"."""

import inspect

import kerasfer
from kerasfer.experiments.floors import FLOORS
from kerasfer.experiments.own_parts import is_own, name_of, own_part

# Name -> class, by name: --help needs no TensorFlow.
SCHEMES = {
    "supervised": "Supervised",
    "pseudo_label": "PseudoLabel",
    "mean_teacher": "MeanTeacher",
    "mixmatch": "MixMatch",
    "remixmatch": "ReMixMatch",
    "uda": "UDA",
    "fixmatch": "FixMatch",
    "flexmatch": "FlexMatch",
    "freematch": "FreeMatch",
    "softmatch": "SoftMatch",
    "ada_cm": "AdaCM",
    "cpe": "CPE",
    "rul": "RUL",
    "mek": "MEK",
    "progressive_teacher": "ProgressiveTeacher",
    "defixmatch": "DeFixMatch",
    "ecan": "ECAN",
    "face_mix": "FaceMix",
}
PLUG_INS = {"remop": "ReMoP", "abc": "ABC", "adsh": "Adsh", "inpl": "InPL"}


def short_names(names, flag="--scheme"):
    """Short name, of a row of the table -> the name: "mine.py:Own+abc" is "Own+abc".

    Raises:
        ValueError: two have one short name.
    """
    short = {}
    for name in dict.fromkeys(names):
        row = "+".join(map(name_of, name.split("+")))
        if row in FLOORS:
            raise ValueError(f"{flag}: {row} is a floor's name. Rename {name}.")
        if row in short:
            raise ValueError(
                f"{flag}: two schemes are called {row}: {short[row]} and {name}. "
                "Rename one."
            )
        short[row] = name
    return short


def check_name(name):
    """Raises a ValueError if a part of it is unknown, or a plug-in does not fit."""
    scheme, *plug_ins = name.split("+")
    known = scheme in SCHEMES or is_own(scheme)
    if not known or not all(p in PLUG_INS or is_own(p) for p in plug_ins):
        raise ValueError(
            f"--scheme: expected one of {', '.join(SCHEMES)}, with +"
            f"{', +'.join(PLUG_INS)} if wanted, or your own, path/to/file.py:NAME, "
            f"without a + in the path. Received: {name}."
        )
    for plug_in in plug_ins:
        kerasfer.training.check_fit(scheme_class(name), _plug_in(plug_in))


def scheme_class(name):
    """The class of "fixmatch+abc"'s scheme."""
    scheme = name.split("+")[0]
    if is_own(scheme):
        return _own_class(scheme, "--scheme", kerasfer.training.SemiSupervisedModel)
    return getattr(kerasfer.schemes, SCHEMES[scheme])


def build_scheme(name, classifier, of_scheme, of_plug_ins, **options):
    """A scheme with its plug-ins.

    Args:
        name: such as "fixmatch+abc".
        classifier: `kerasfer.build_classifier`'s.
        of_scheme, of_plug_ins: keyword -> value; each class takes those that it has,
            None is its own default.
        **options: keywords that every scheme has.
    """
    plug_ins = [_plug_in(part) for part in name.split("+")[1:]]
    options["plug_ins"] = [p(**_accepted(p, of_plug_ins)) for p in plug_ins]
    scheme = scheme_class(name)
    return scheme(classifier, **_accepted(scheme, of_scheme), **options)


def _plug_in(name):
    if is_own(name):
        return _own_class(name, "--plugin", kerasfer.training.PlugIn)
    return getattr(kerasfer.plug_ins, PLUG_INS[name])


def _own_class(text, flag, base):
    part = own_part(text, flag)
    if not (isinstance(part, type) and issubclass(part, base)):
        raise ValueError(
            f"{flag}: {text} must be a class derived from kerasfer.training."
            f"{base.__name__}. Received: {part!r}."
        )
    return part


def _accepted(part, given):
    known = inspect.signature(part.__init__).parameters
    return {n: v for n, v in given.items() if n in known and v is not None}
