"""Tables and lists as other programs write them."""

import pytest

from kerasfer.preparation.tables import lines_of, opened_table

ROWS = [{"path": "a.png", "label": "ä"}, {"path": "b.png", "label": ""}]
PLAIN = "path,label\na.png,ä\nb.png,\n"


def read(path, **options):
    with opened_table(path, **options) as rows:
        return list(rows)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN + "\n\n",
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        "\ufeff" + PLAIN.replace(",", ";").replace("\n", "\r\n") + "\r\n",
        PLAIN.replace("path,label", " path , label "),
        PLAIN.rstrip("\n"),
    ],
)
def test_any_form_of_a_table_gives_the_same_rows(text, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    assert read(path) == ROWS


def test_a_given_delimiter_wins(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("path|a,b\nx.png|1,2\n")
    assert read(path, delimiter="|") == [{"path": "x.png", "a,b": "1,2"}]


def test_an_empty_table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbf")
    with opened_table(path) as rows:
        assert rows.fieldnames == [] and list(rows) == []


@pytest.mark.parametrize("where", ["header", "row"])
def test_other_encodings_are_named(where, tmp_path):
    path = tmp_path / "table.csv"
    text = "path,ä\n" if where == "header" else "path,label\n" + "a,ä\n" * 3000
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="table.csv is no table in UTF-8"):
        read(path)


@pytest.mark.parametrize(
    "text", ["a.png\nb c.png\n", "\ufeffa.png\r\n\r\n b c.png \r\n", "a.png\n\nb c.png"]
)
def test_lists(text, tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(text.encode())
    assert lines_of(path) == ["a.png", "b c.png"]


def test_a_list_in_another_encoding(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("ä.png".encode("latin-1"))
    with pytest.raises(ValueError, match="no list in UTF-8"):
        lines_of(path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a,b\n1,2\n", "table.csv has no column path. Received: a, b"),
        ("path,b, b\nx,1,2\n", "table.csv has column b twice"),
        ("\npath,b\nx,1\n", "table.csv has no column path"),
        ('path,b\nx,"' + "1" * 200_000 + '"\n', "table.csv, line .: field larger than"),
    ],
    ids=["missing", "twice", "no header", "a cell without end"],
)
def test_columns_are_checked(text, error, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=error):
        read(path, columns=("path",))
