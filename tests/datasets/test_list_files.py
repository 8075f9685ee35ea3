from __future__ import annotations

import pytest

from clsctl.datasets.list_files import label_text, list_text
from clsctl.errors import DataError


def test_lines():
    assert list_text([("照片/a b.jpg", 3), ("c.jpg", 0)]) == "照片/a b.jpg 3\nc.jpg 0\n"
    assert label_text({10: "dog", 2: "tabby cat"}) == "2 tabby cat\n10 dog\n"


@pytest.mark.parametrize("text", ["", " a", "a\t", "a\nb", "a\rb", "\udcff"])
def test_what_no_list_can_hold(text):
    with pytest.raises(DataError) as caught:
        list_text([(text, 0)])
    assert caught.value.code == "E_UNLISTABLE"
