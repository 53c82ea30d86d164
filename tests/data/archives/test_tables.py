"""Tables in every encoding and with every separator, and the messages about unreadable ones."""

from __future__ import annotations

import codecs
import time
from pathlib import Path

import pytest
from sample_zips import write_zip

from residerm.data.archives.tables import Table, find_table, number
from residerm.errors import ArchiveError
from residerm.storage.tree import Tree

ROWS = [{"image_id": "ISIC_1", "dx": "nævus", "age": "55.0"}, {"image_id": "ISIC_2", "dx": "mélanome", "age": ""}]
TEXT = "image_id,dx,age\nISIC_1,nævus,55.0\nISIC_2,mélanome,\n"


def table(folder: Path, data: bytes | str, columns: list[str] | None = None) -> Table:
    (folder / "table.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
    return find_table(Tree(folder), "table*", columns=columns)


def error_message(folder: Path, data: bytes | str) -> str:
    """The error message about a table without its name, after reading all of it."""
    with pytest.raises(ArchiveError) as error:
        list(table(folder, data))
    assert str(error.value).startswith(f"{folder}/table.csv")
    return str(error.value).removeprefix(f"{folder}/table.csv")


# Every encoding, every separator


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("cp1252"),
        TEXT.encode("latin-1"),
    ],
    ids=["utf-8", "utf-8 with BOM", "utf-16", "utf-16 big-endian", "cp1252", "latin-1"],
)
def test_encodings(tmp_path, data):
    assert list(table(tmp_path, data)) == ROWS


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"], ids=["Unix", "Windows", "old Mac"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("last", [True, False])
def test_separators_and_line_endings(tmp_path, ends, separator, last):
    text = TEXT.replace(",", separator).replace("\n", ends)
    assert list(table(tmp_path, text if last else text.removesuffix(ends))) == ROWS


def test_blank_lines_and_spaces_are_ignored(tmp_path):
    text = "\n  \n Image_ID , DX ,age\n\nISIC_1 , nævus,55.0 \n,,\n   \nISIC_2,\tmélanome, \n\n"
    assert list(table(tmp_path, text)) == ROWS


def test_trailing_empty_cells_are_ignored(tmp_path):
    assert list(table(tmp_path, TEXT.replace("55.0", "55.0,, ,"))) == ROWS


def test_quoted_cells(tmp_path):
    text = 'image_id,"the\nnote",dx\nISIC_1,"one, ""two""\nthree",nv\n"ISIC_2",,mel\n'
    assert list(table(tmp_path, text)) == [
        {"image_id": "ISIC_1", "the\nnote": 'one, "two"\nthree', "dx": "nv"},
        {"image_id": "ISIC_2", "the\nnote": "", "dx": "mel"},
    ]


def test_unnamed_index_column_is_dropped(tmp_path):
    text = TEXT.replace("image_id,", ",image_id,").replace("ISIC", "7,ISIC")
    assert list(table(tmp_path, text)) == ROWS


def test_table_without_header(tmp_path):
    read = table(tmp_path, "ISIC_1,benign\n\nISIC_2,malignant", ["Image", "label"])
    assert read.columns == ["image", "label"]
    assert list(read) == [{"image": "ISIC_1", "label": "benign"}, {"image": "ISIC_2", "label": "malignant"}]


def test_table_can_be_read_repeatedly(tmp_path):
    read = table(tmp_path, TEXT)
    assert next(iter(read)) == ROWS[0]
    assert list(read) == list(read) == ROWS


def test_table_in_a_zip(tmp_path):
    tree = Tree(write_zip(tmp_path / "a.zip", {"deep/table.csv": TEXT.encode()}))
    read = find_table(tree, "table.csv")
    assert read.name == f"{tmp_path}/a.zip/deep/table.csv"
    assert list(read) == ROWS


def test_shallowest_copy_is_read(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "table.csv").write_text("x\n1\n")
    (tmp_path / "a" / "table.csv").write_text("x\n2\n")
    assert list(find_table(Tree(tmp_path), "table.csv")) == [{"x": "2"}]


def test_require_returns_the_table(tmp_path):
    read = table(tmp_path, TEXT)
    assert read.require("dx", "age") is read


@pytest.mark.parametrize(
    ("text", "value"), [("55.0", 55), (" 7", 7), ("1e1", 10), ("", None), ("nan", None), ("inf", None), ("50-55", None)]
)
def test_numbers_are_parsed(text, value):
    assert number(text) == value


# What is wrong with a table


def test_missing_table_is_refused(tmp_path):
    with pytest.raises(ArchiveError) as error:
        find_table(Tree(tmp_path), "HAM10000_metadata*", "other.csv")
    reason = "contains no table named HAM10000_metadata* or other.csv: put it next to the images"
    assert str(error.value) == f"{tmp_path} {reason}"


def test_unknown_column_error_suggests_the_nearest(tmp_path):
    with pytest.raises(ArchiveError) as error:
        table(tmp_path, TEXT).require("dx", "image")
    message = "has no column 'image'; its columns are image_id, dx, age. Did you mean image_id or age?"
    assert str(error.value) == f"{tmp_path}/table.csv {message}"


def test_unknown_column_error_is_short(tmp_path):
    read = table(tmp_path, ",".join(f"c{n}" for n in range(300)) + "\n" + "," * 299)
    with pytest.raises(ArchiveError, match=r"c18, c19 and 280 more\.$"):
        read.require("image")


@pytest.mark.parametrize("data", [b"", b"\n\r\n  \n", b",,\n,\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_empty_table(tmp_path, data):
    assert error_message(tmp_path, data) == " is empty: download it again"


@pytest.mark.parametrize("data", ["image_id,dx", "image_id,dx\n", "image_id,dx\n\n,\n"])
def test_table_with_header_only(tmp_path, data):
    assert error_message(tmp_path, data) == " has a header, but no rows: download it again"


def test_row_with_too_few_cells(tmp_path):
    assert error_message(tmp_path, TEXT + "\nISIC_3,nv\n") == (
        ", line 5: 2 cells instead of 3 (image_id, dx, age): fix this line, or download the table again"
    )


def test_row_with_too_many_cells(tmp_path):
    assert error_message(tmp_path, TEXT.replace("55.0", "5,5")).startswith(", line 2: 4 cells instead of 3")


def test_duplicate_column(tmp_path):
    message = error_message(tmp_path, "image_id,dx,DX \nISIC_1,nv,mel\n")
    assert message == " has more than one column dx: rename or remove all but one"


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"PK\3\4" + bytes(100), TEXT.encode("utf-16-le")])
def test_binary_file(tmp_path, data):
    assert error_message(tmp_path, data) == " is not a text table (it contains zero bytes): save it as CSV in UTF-8"


@pytest.mark.parametrize(
    "data",
    [
        b"image_id,dx\nISIC_1,\x81\x8d\n",
        b"\x81\x8d,dx\n1,2\n",
        codecs.BOM_UTF16_LE + b"a\0\x00\xd8,\0",
        TEXT.encode("utf-16")[:-1],
    ],
    ids=["undefined in cp1252", "in the header", "half a pair", "half a sign"],
)
def test_unknown_encoding(tmp_path, data):
    message = " is neither UTF-8, UTF-16 nor Windows-1252 throughout: save it as CSV in UTF-8"
    assert error_message(tmp_path, data) == message


def test_unclosed_quote(tmp_path):
    """It would silently absorb all following rows."""
    message = error_message(tmp_path, TEXT.replace(",55.0", ',"55.0'))
    assert message.startswith(", line 3: unexpected end of data (an extra quotation mark?): fix this line")


def test_oversized_cell(tmp_path):
    message = error_message(tmp_path, TEXT + "ISIC_3,nv," + "5" * 200_000)
    assert message.startswith(", line 4: field larger than field limit")


def test_too_many_columns(tmp_path):
    columns = [f"c{number}" for number in range(40_000)]
    (tmp_path / "labels.csv").write_text(",".join(columns) + "\n" + ",".join("1" * len(columns)) + "\n")
    start = time.process_time()
    with pytest.raises(ArchiveError, match=r"labels.csv has 40,000 columns, more than the limit of 1,000"):
        find_table(Tree(tmp_path), "labels.csv")
    assert time.process_time() - start < 1
