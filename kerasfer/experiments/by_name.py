"""Schemes and plug-ins by their names on a command line, such as "fixmatch+abc"."""

import inspect

import kerasfer

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
}
PLUG_INS = {"remop": "ReMoP", "abc": "ABC", "adsh": "Adsh", "inpl": "InPL"}


def check_name(name):
    """Raises a ValueError if a part of it is unknown, or a plug-in does not fit."""
    scheme, *plug_ins = name.split("+")
    if scheme not in SCHEMES or not {*plug_ins} <= {*PLUG_INS}:
        raise ValueError(
            f"--scheme: expected one of {', '.join(SCHEMES)}, with +"
            f"{', +'.join(PLUG_INS)} if wanted. Received: {name}."
        )
    for plug_in in plug_ins:
        kerasfer.training.check_fit(scheme_class(name), _plug_in(plug_in))


def scheme_class(name):
    """The class of "fixmatch+abc"'s scheme."""
    return getattr(kerasfer.schemes, SCHEMES[name.split("+")[0]])


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
    return getattr(kerasfer.plug_ins, PLUG_INS[name])


def _accepted(part, given):
    known = inspect.signature(part.__init__).parameters
    return {n: v for n, v in given.items() if n in known and v is not None}
