"""The page of a report: sections of tables, figures and notes, in one file."""

import base64
import dataclasses
import io
import itertools
import pathlib
import re

import jinja2
import markupsafe
import matplotlib
import numpy as np

from kerasfer.safe_write import atomic_write
from kerasfer.vision.images import cv2

_PNG = b"\x89PNG\r\n\x1a\n"
_TEMPLATES = pathlib.Path(__file__).parent
# Stands for the colour of the page's text until the figure is in the page.
_INK = "#010203"
_STYLE = {
    "text.parse_math": False,  # a class may be called "$5$"
    "svg.fonttype": "none",  # text stays text: it can be read out, searched, scaled
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.facecolor": "none",
}


@dataclasses.dataclass
class Section:
    """A heading, and what stands below it, in order."""

    title: str
    blocks: list = dataclasses.field(default_factory=list)

    def say(self, text):
        """A paragraph of plain text."""
        self.blocks.append({"kind": "text", "text": text})

    def warn(self, title, text):
        self.blocks.append({"kind": "warning", "title": title, "text": text})

    def numbers(self, pairs):
        """(what, number as text) of the ones to see first."""
        self.blocks.append({"kind": "numbers", "pairs": list(pairs)})

    def table(self, frame, caption="", folded=False):
        """A data frame without its index; `folded` shows its caption until opened."""
        columns, rows = [*frame.columns], frame.astype(object).to_numpy().tolist()
        self.blocks.append(
            {
                "kind": "table",
                "columns": columns,
                "rows": rows,
                "caption": caption,
                "folded": folded,
            }
        )

    def figures(self, *drawn):
        """(caption, a function that draws a Matplotlib figure) each, side by side."""
        if drawn:
            self.blocks.append({"kind": "figures", "figures": drawn})

    def faces(self, caption, files, lines):
        """PNG files, or images (height, width, 3), with lines of text each."""
        shown = [
            {"source": _source(file), "lines": text}
            for file, text in zip(files, lines, strict=True)
        ]
        self.blocks.append({"kind": "faces", "faces": shown, "caption": caption})

    def code(self, text):
        self.blocks.append({"kind": "code", "text": text})

    def links(self, pairs):
        """(text, path relative to the page) of other pages."""
        self.blocks.append({"kind": "links", "pairs": list(pairs)})


def write_page(path, title, subtitle, sections):
    """Writes a page, whole; sections without blocks are left out."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sections=[section for section in sections if section.blocks],
        number=itertools.count(1).__next__,
        svg=_svg,
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf8")


def _svg(draw, number):
    """A figure as markup in the colour of the text around it.

    Args:
        draw: () -> a Matplotlib figure.
        number: of the figure on the page, in front of the names within it: two figures
            that share one would take each other's clips and markers.
    """
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": "kerasfer"}):
        file = io.StringIO()
        draw().savefig(file, format="svg", metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>f{number}-", svg)
    # Matplotlib escapes texts.
    return markupsafe.Markup(svg)  # nosec B704


def _source(file):
    if isinstance(file, np.ndarray):
        encoded = cv2.imencode(".png", np.ascontiguousarray(file[..., ::-1]))[1]
        return f"data:image/png;base64,{base64.b64encode(encoded).decode()}"
    content = pathlib.Path(file).read_bytes()
    if not content.startswith(_PNG):
        raise ValueError(f"{file} is no PNG: a report shows figures of its run alone.")
    content = base64.b64encode(content).decode()
    return f"data:image/png;base64,{content}"
