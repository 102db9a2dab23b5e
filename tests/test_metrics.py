import keras
import numpy as np
import pytest
import sklearn.metrics

from kerasfer.metrics import (
    ConfusionMatrix,
    MacroF1,
    MeanClassAccuracy,
    PredictionScores,
    PseudoLabelQuality,
    confidence_edges,
    result_names,
)


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    return rng.integers(0, 4, 50), rng.random((50, 5)).astype(np.float32)


def in_batches(metric, y_true, y_pred, size=7):
    for start in range(0, len(y_true), size):
        metric.update_state(y_true[start : start + size], y_pred[start : start + size])
    return np.asarray(metric.result())


def test_agree_with_scikit_learn(predictions):
    y_true, y_pred = predictions  # nobody is of class 4
    matrix = in_batches(ConfusionMatrix(5), y_true, y_pred)
    expected = sklearn.metrics.confusion_matrix(
        y_true, y_pred.argmax(-1), labels=range(5)
    )
    np.testing.assert_array_equal(matrix, expected)
    accuracy = in_batches(MeanClassAccuracy(5), y_true, y_pred)
    recalls = sklearn.metrics.recall_score(
        y_true, y_pred.argmax(-1), labels=range(4), average="macro"
    )
    np.testing.assert_allclose(accuracy, recalls, rtol=1e-6)


def test_f1_agrees_with_scikit_learn(predictions):
    y_true, y_pred = predictions
    expected = sklearn.metrics.f1_score(y_true, y_pred.argmax(-1), average="macro")
    f1 = in_batches(MacroF1(6), y_true, np.pad(y_pred, ((0, 0), (0, 1))))
    np.testing.assert_allclose(f1, expected, rtol=1e-6)
    assert float(MacroF1(3).result()) == 0.0
    scores = PredictionScores(5, name="linear")
    scores.update_state(y_true, y_pred)
    result = {name: float(value) for name, value in scores.result().items()}
    accuracy = (y_true == y_pred.argmax(-1)).mean()
    recalls = sklearn.metrics.recall_score(
        y_true, y_pred.argmax(-1), labels=range(4), average="macro"
    )
    assert result == pytest.approx(
        {
            "linear_accuracy": accuracy,
            "linear_mean_class_accuracy": recalls,
            "linear_f1": expected,
        }
    )
    assert result_names([scores, MacroF1(3)]) == {*result, "macro_f1"}


def test_an_absent_class_is_left_out():
    metric = MeanClassAccuracy(3)
    metric.update_state([0, 0, 0, 1], np.eye(3)[[0, 0, 1, 1]])
    np.testing.assert_allclose(metric.result(), (2 / 3 + 1) / 2, rtol=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0.0


def test_unknown_labels_weights_and_columns():
    metric = ConfusionMatrix(2)
    metric.update_state([[0], [-1], [1]], np.eye(2)[[0, 0, 0]])
    np.testing.assert_array_equal(metric.result(), [[1, 0], [1, 0]])
    metric.update_state([1, 1], np.eye(2)[[1, 0]], sample_weight=[2.0, 0.0])
    np.testing.assert_array_equal(metric.result(), [[1, 0], [1, 2]])


def test_config_round_trip():
    metric = MeanClassAccuracy(3, name="uar")
    again = MeanClassAccuracy.from_config(metric.get_config())
    assert again.num_classes == 3 and again.name == "uar"


def test_in_evaluate(predictions):
    y_true, y_pred = predictions
    model = keras.Sequential([keras.layers.Activation("linear")])
    model.compile(
        loss="sparse_categorical_crossentropy", metrics=[MeanClassAccuracy(5)]
    )
    logs = model.evaluate(y_pred, y_true, batch_size=9, verbose=0, return_dict=True)
    expected = in_batches(MeanClassAccuracy(5), y_true, y_pred)
    np.testing.assert_allclose(logs["mean_class_accuracy"], expected, rtol=1e-6)


def test_pseudo_label_quality_by_hand():
    quality = PseudoLabelQuality(3)
    #                     kept right, kept wrong, not kept, kept but unknown
    quality.update_state([0, 1, 1, 0], [1.0, 1.0, 0.0, 1.0], [0, 0, 1, -1])
    result = {name: float(value) for name, value in quality.result().items()}
    assert result == {"mask_rate": 0.75, "pseudo_label_accuracy": 0.5}
    per_class = {k: np.asarray(v).tolist() for k, v in quality.per_class().items()}
    assert per_class == {
        "passed": [2.0, 1.0, 0.0],
        "unsure": [0.0, 1.0, 0.0],
        "true": [2.0, 1.0, 0.0],
        "coverage": [1.0, 0.0, 0.0],
        "precision": [1.0, 0.0, 0.0],
        "recall": [0.5, 0.0, 0.0],
    }
    quality.reset_state()
    quality.update_state([2], [1.0], [-1])  # unknown
    per_class = {k: np.asarray(v).tolist() for k, v in quality.per_class().items()}
    assert per_class["passed"] == [0, 0, 1] and np.isnan(per_class["recall"]).all()
    quality.reset_state()
    assert float(quality.result()["mask_rate"]) == 0.0


def test_histograms_of_confidence_by_hand():
    quality = PseudoLabelQuality(2)
    # Bins of 0.05: 0.31 is in the seventh, 1 in the last with 0.96.
    confidence = [0.31, 1.0, 0.96, 0.0]
    quality.update_state([0, 1, 1, 1], [1.0, 1.0, 0.0, 0.0], [0, 1, 0, -1], confidence)
    found = {name: np.asarray(v) for name, v in quality.confidences().items()}
    faces, right = np.zeros((2, 20)), np.zeros((2, 20))
    faces[0, 6], faces[1, 19], faces[1, 0] = 1, 2, 1
    right[0, 6], right[1, 19] = 1, 1
    np.testing.assert_array_equal(found["faces"], faces)
    np.testing.assert_array_equal(found["right"], right)
    assert confidence_edges()[6] == 0.3 and len(confidence_edges()) == 20
    quality.reset_state()
    quality.update_state([0], [1.0], [-1], [0.5])  # unknown
    assert np.isnan(np.asarray(quality.confidences()["right"])).all()
