"""Counts of the labelled faces, which methods for imbalance take."""

import pytest
from support.toys import dense_classifier, map_classifier

from kerasfer.plug_ins import ABC, Adsh
from kerasfer.schemes import CPE, FixMatch


@pytest.mark.parametrize("wrong", [[1, 0, 2], [], [[1, 2], [3, 4]]])
def test_counts_must_be_positive_one_a_class(wrong):
    for plug_in in (ABC, Adsh):
        with pytest.raises(ValueError, match="labelled faces of each class"):
            plug_in(wrong)
    with pytest.raises(ValueError, match="4 entries, the classifier 3 classes"):
        FixMatch(dense_classifier(), plug_ins=(ABC([1, 2, 3, 4]),))
    with pytest.raises(ValueError, match="2 entries, the classifier 3 classes"):
        FixMatch(dense_classifier(), plug_ins=(Adsh([1, 2]),))
    with pytest.raises(ValueError, match="2 entries, the classifier 3 classes"):
        CPE(map_classifier(), [1, 2])
