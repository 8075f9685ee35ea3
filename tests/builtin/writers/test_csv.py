from __future__ import annotations

import csv
import io

import records
from hypothesis import given
from hypothesis import strategies as st

from clsctl.builtin.writers.csv import CsvWriter
from clsctl.result import Result
from clsctl.system.spreadsheets import original_cell


def written(*results: Result) -> str:
    stream = io.StringIO()
    writer = CsvWriter(stream)
    for result in results:
        writer.write(result)
    writer.close()
    return stream.getvalue()


def test_one_row_a_class_and_one_for_an_error():
    assert (
        written(*records.several())
        == """\
input_path,page_index,rank,class_id,score,label_name,error_code,error_message
a b/猫.jpg,,1,0,0.75,"tabby, tabby cat",,
a b/猫.jpg,,2,1,0.2,"a ""quoted"" one",,
a b/猫.jpg,,3,2,1e-05,猫,,
doc.pdf,0,1,3,1.0,"two
lines",,
doc.pdf,0,2,4,0.0,[bold]x[/nope],,
x.jpg,,,,,,E_X,x.jpg: it is [red]broken[/]
plain.png,12,1,2,0.5,,,
"""
    )


def test_without_results_there_are_still_the_names_of_the_columns():
    assert written().count("\n") == 1


# Python before 3.13 forgets to quote a carriage return, and before 3.11 cannot read a NUL.
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1))
def test_any_path_is_read_back_as_it_was(path):
    text = written(records.classified(path, None, (2, 0.5)))
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert original_cell(row["input_path"]) == path


def test_a_name_that_a_spreadsheet_would_run_becomes_text():
    text = written(records.classified("=HYPERLINK(1).jpg", None, (2, 0.5)))
    assert text.splitlines()[1].startswith("'=HYPERLINK(1).jpg,")
