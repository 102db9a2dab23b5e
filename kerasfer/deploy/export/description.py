"""What an exported model says of itself: the contract between training and use."""

import dataclasses
import json

from kerasfer.vision.alignment import Crop

FORMAT = 1  # raised when a later version cannot be read by an earlier one
TASKS = ("expressions", "action_units")
_MOST_NAMES, _LONGEST_SIDE = 10_000, 4096


@dataclasses.dataclass(frozen=True)
class Description:
    """Stored inside of every export, as JSON.

    Attributes:
        task: "expressions", classes that exclude each other; "action_units", else.
        names: of the classes, or of the action units, in the order of the outputs.
        image_shape: (height, width, channels) of the classifier; 3 channels are RGB, 1
            is grey; values 0..255.
        thresholds: one per action unit, of the probabilities before calibration; empty
            for expressions.
        temperature: above 0; probabilities are calibrated by it, see
            `kerasfer.deploy.calibration`. 1 leaves them.
        crop: how a face is cut out of a photo, as the training faces were; None is
            unknown.
        precision: policy of the classifier, e.g. "float32" or "mixed_bfloat16".
        licences: notes on the data and weights that the model was made from.
        run: the settings of the training run, as JSON holds them.
        versions: name of a package -> version, of the training and of the export.

    Raises:
        ValueError: another task, names that are not unique, thresholds that are not one
            per unit in [0, 1], a temperature that is not above 0, another shape.

    >>> Description("expressions", ("neutral", "anger"), (48, 48, 3)).colour_order
    'RGB'
    """

    task: str
    names: tuple
    image_shape: tuple
    thresholds: tuple = ()
    temperature: float = 1.0
    crop: Crop | None = None
    precision: str = "float32"
    licences: tuple = ()
    run: dict = dataclasses.field(default_factory=dict)
    versions: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.task not in TASKS:
            raise ValueError(f"`task` must be one of {TASKS}. Received: {self.task!r}.")
        _check_names(self.names)
        _check_shape(self.image_shape)
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"`temperature` must be above 0. Received: {self.temperature}."
            )
        expected = len(self.names) if self.task == "action_units" else 0
        if len(self.thresholds) != expected or not all(
            0 <= threshold <= 1 for threshold in self.thresholds
        ):
            raise ValueError(
                f"Expected {expected} `thresholds` in [0, 1] for {self.task}. "
                f"Received: {self.thresholds}."
            )

    @property
    def colour_order(self):
        """Either "RGB" or "grey"."""
        return "RGB" if self.image_shape[2] == 3 else "grey"

    def to_json(self):
        """The description as text."""
        content = dataclasses.asdict(self)
        return json.dumps(
            {"kerasfer": FORMAT, "colour_order": self.colour_order, **content}, indent=2
        )

    @classmethod
    def from_json(cls, text):
        """Reads what `to_json` wrote.

        Raises:
            ValueError: not a description, or of a later format than this version reads.
        """
        try:
            content = json.loads(text)
            written_by = content.pop("kerasfer")
            content.pop("colour_order")
            crop = content.pop("crop")
            lists = ("names", "image_shape", "thresholds", "licences")
            content |= {name: tuple(content[name]) for name in lists}
            content["crop"] = Crop(**crop) if crop else None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"Expected the description of an exported model. Received: {error!r}."
            ) from None
        if written_by != FORMAT:
            raise ValueError(
                f"The model was exported in format {written_by}; this version of "
                f"kerasfer reads format {FORMAT}. Install the version that wrote it, "
                "or export it again."
            )
        try:
            return cls(**content)
        except TypeError as error:
            raise ValueError(f"The description does not fit: {error}.") from None


def _check_names(names):
    usual = 0 < len(names) <= _MOST_NAMES and all(isinstance(n, str) for n in names)
    if not usual or len(set(names)) != len(names):
        raise ValueError(f"`names` must be unique texts. Received: {names!r:.200}.")


def _check_shape(shape):
    usual = len(shape) == 3 and all(
        isinstance(n, int) and 0 < n <= _LONGEST_SIDE for n in shape
    )
    if not usual or shape[2] not in (1, 3):
        raise ValueError(
            "`image_shape` must be (height, width, 1 or 3), with fixed sides of at "
            f"most {_LONGEST_SIDE}. Received: {shape}."
        )
