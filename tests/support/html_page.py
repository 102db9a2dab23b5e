"""A page of HTML, taken apart."""

import html.parser


class Page(html.parser.HTMLParser):
    """What a page loads, its names, and whether all tags are closed."""

    _VOID = {"meta", "img", "br", "link"}

    def __init__(self, text):
        super().__init__()
        self.sources, self.ids, self.open, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "href", "xlink:href"):
                self.sources.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self._VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
