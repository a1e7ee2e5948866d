import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carryon_cli import json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(), VALUES, max_size=4), indent=st.none() | st.integers(0, 2))
def test_members_are_the_texts_of_an_object(value, indent):
    """Each is the text that was written, so decoding them gives the object."""
    text = f" {json.dumps(value, indent=indent)}\n"

    members = json_text.members(text)

    assert value == {name: json.loads(member) for name, member in members.items()}
    assert all(member in text for member in members.values())


@given(value=st.lists(VALUES, max_size=4), indent=st.none() | st.integers(0, 2))
def test_elements_are_the_texts_of_an_array(value, indent):
    """In order, and each as it was written."""
    text = f"\t{json.dumps(value, indent=indent)} "

    assert value == [json.loads(element) for element in json_text.elements(text)]


def test_numbers_keep_their_digits():
    """What a float would round is passed on as it was written."""
    text = '{"a" : 1.0000000000000000001 , "b":[ 1E400,-0.10 ]}'

    members = json_text.members(text)

    assert members == {"a": "1.0000000000000000001", "b": "[ 1E400,-0.10 ]"}
    assert list(json_text.elements(members["b"])) == ["1E400", "-0.10"]


@pytest.mark.parametrize("text", ["", "{", '{"a": NaN}', "[Infinity]", "[" * 100_000, "{} {}", "\ufeff{}"])
def test_what_is_no_json_is_a_value_error(text):
    """As Lambda sees it: NaN and Infinity are none, and neither is what no decoder can take."""
    with pytest.raises(ValueError, match=r"."):
        json_text.load(text)
