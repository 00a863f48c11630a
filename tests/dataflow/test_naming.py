"""Names that tools accept."""

from dataflow.naming import plain_names


def test_names_become_identifiers_that_differ() -> None:
    names = ["fc0.width", "fc0_width", "fc0 width", "/model/Gemm", "größe", "plain", "a -> b", "a_to_b"]
    assert plain_names(names) == {
        "fc0.width": "fc0_width",
        "fc0_width": "fc0_width_2",
        "fc0 width": "fc0_width_3",
        "/model/Gemm": "_model_Gemm",
        "größe": "gr__e",
        "plain": "plain",
        "a -> b": "a_to_b",
        "a_to_b": "a_to_b_2",
    }
