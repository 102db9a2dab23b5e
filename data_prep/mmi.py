r"""MMI to a manifest: a neutral and three apex frames of each labelled sequence.

    python data_prep/mmi.py MMI/ OUT

Reads Sessions/*/: session.xml (who, and from where the camera looks), the video
S*.avi, and beside it an XML file of the same name whose Metatag "Emotion" is 1 to 6. A
sequence begins and ends neutral and has its apex in the middle: the first frame is
neutral, the three in the middle show the expression. Only frontal views are taken, of
others and of emotions beyond the six the reason is given. Frames that are not 480 high,
of sessions without action units (`*aucs.xml`), lie on their side in the release: they
are turned by 90 degrees clockwise, as public loaders do.
"""

import functools
import re
import xml.etree.ElementTree

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face, Rejected
from kerasfer.preparation.importing.source import found_below
from kerasfer.vision.files import visible
from kerasfer.vision.images import cv2

LABELS = {
    "0": "neutral",
    "1": "anger",
    "2": "disgust",
    "3": "fear",
    "4": "happiness",
    "5": "sadness",
    "6": "surprise",
}
_FRONTAL = "0"
_UPRIGHT = 480  # height in pixels of frames that do not lie on their side


def faces(folder):
    """Four `Face`s of each labelled frontal sequence."""
    sessions = found_below(folder, "Sessions", "the sessions of MMI, unpacked")
    for session in sorted(visible(sessions.iterdir(), sessions), key=_number):
        for video in sorted(visible(session.glob("*.avi"), session)):
            name = video.relative_to(folder).as_posix()
            try:
                emotion = _emotion_of(session, video)
                frames = _count_frames(video)
            except Rejected as reason:
                yield name, str(reason)
                continue
            subject, lies = video.stem.partition("-")[0], _may_lie(session)
            middle = frames // 2
            chosen = [(0, "0"), *((middle + k, emotion) for k in (-1, 0, 1))]
            for frame, label in chosen:
                yield Face(
                    f"{session.name}/{video.stem}_{frame:04d}.png",
                    label,
                    "",
                    subject,
                    attributes={"frame": str(frame), "video": name},
                    encoded=functools.partial(_frame, video, frame, lies),
                )


def _number(path):
    digits = re.sub(r"\D", "", path.name)
    return int(digits or 0), path.name


def _emotion_of(session, video):
    about = video.with_suffix(".xml")
    if not about.is_file():
        raise Rejected(f"no {about.name} says which emotion it is")
    track = _parsed(session / "session.xml").find(".//track")
    if track is not None and track.get("view", _FRONTAL) != _FRONTAL:
        raise Rejected("not a frontal view")
    for tag in _parsed(about).iter("Metatag"):
        if tag.get("Name") == "Emotion":
            if tag.get("Value") not in LABELS:
                raise Rejected(f"emotion {tag.get('Value')} is no class")
            return tag.get("Value")
    raise Rejected("no emotion is annotated")


def _parsed(path):
    try:
        text = path.read_text("utf8")
    except OSError:
        raise Rejected(f"{path.name} is not there") from None
    if "<!ENTITY" in text:  # could make a few bytes into gigabytes
        raise Rejected(f"{path.name} defines entities")
    try:
        return xml.etree.ElementTree.fromstring(text)
    except xml.etree.ElementTree.ParseError as error:
        raise Rejected(f"{path.name} is no XML: {error}") from None


def _count_frames(video):
    film = cv2.VideoCapture(str(video))
    count = 0
    while film.grab():  # what the header says is not always so
        count += 1
    film.release()
    if count < 4:
        raise Rejected(f"{count} frames can be read; expected 4 at least")
    return count


def _may_lie(session):
    """Whether frames may lie on their side, as public loaders have it: those of
    sessions without annotated action units (`*aucs.xml`)."""
    return not any(session.glob("*aucs.xml"))


def _frame(video, number, lies=False):
    film = cv2.VideoCapture(str(video))
    for _ in range(number + 1):
        film.grab()
    ok, image = film.retrieve()
    film.release()
    if not ok:
        raise Rejected(f"frame {number} cannot be read")
    if lies and image.shape[0] != _UPRIGHT:
        image = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
    return cv2.imencode(".png", image)[1].tobytes()


DATA_SET = DataSet(
    name="MMI",
    request="Ask its authors (mmifacedb.eu) for the sequences labelled by emotion.",
    notice=(
        "MMI: for research only, by an agreement with its authors; not to be passed "
        "on, and papers must cite Pantic et al., 2005, and Valstar and Pantic, 2010."
    ),
    faces=faces,
    labels=LABELS,
    attributes=("frame", "video"),
)


def main():
    program.main(program.Config, lambda config: DATA_SET, __doc__)


if __name__ == "__main__":
    main()
