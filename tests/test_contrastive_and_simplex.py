import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfer.losses import center_loss, info_nce, masked_mean, simplex_etf_penalty


def info_nce_by_loops(a, b, mask, temperature, symmetric):
    """SimCLR's loss, one anchor and one candidate at a time."""
    kept = [i for i in range(len(a)) if mask[i]]
    unit = lambda v: v / np.linalg.norm(v)  # noqa: E731
    views = {("a", i): unit(a[i]) for i in kept} | {("b", i): unit(b[i]) for i in kept}

    def of(anchor, positive):
        total = sum(
            np.exp(views[anchor] @ views[other] / temperature)
            for other in views
            if other != anchor
        )
        return -np.log(np.exp(views[anchor] @ views[positive] / temperature) / total)

    losses = np.zeros(len(a))
    for i in kept:
        losses[i] = of(("a", i), ("b", i))
        if symmetric:
            losses[i] = (losses[i] + of(("b", i), ("a", i))) / 2
    return losses


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("kept", [[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 1, 1, 0]])
def test_info_nce_is_the_equation(symmetric, kept):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 4)).astype(np.float32)
    expected = info_nce_by_loops(a, b, kept, 0.3, symmetric)
    losses = info_nce(a, b, np.float32(kept), 0.3, symmetric)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)
    # Another order of the faces, the same loss of each.
    order = [3, 1, 4, 0, 2]
    moved = info_nce(a[order], b[order], np.float32(kept)[order], 0.3, symmetric)
    np.testing.assert_allclose(moved, expected[order], rtol=1e-5, atol=1e-6)


def test_info_nce_by_hand():
    # Two faces at right angles: positive e^1; the two views of the other face, e^0.
    losses = info_nce(np.eye(2), np.eye(2), np.ones(2), temperature=1.0)
    np.testing.assert_allclose(losses, [np.log((np.e + 2) / np.e)] * 2, rtol=1e-6)


def test_info_nce_of_one_face_is_zero_and_of_none_too():
    rng = np.random.default_rng(1)
    a, b = (tf.Variable(v, dtype=tf.float32) for v in rng.normal(size=(2, 3, 4)))
    for mask in ([0, 1, 0], [0, 0, 0]):
        with tf.GradientTape() as tape:
            losses = info_nce(a, b, np.float32(mask))
            loss = masked_mean(losses, np.float32(mask))
        np.testing.assert_array_equal(losses, np.zeros(3))
        for gradient in tape.gradient(loss, [a, b]):
            np.testing.assert_array_equal(gradient, np.zeros((3, 4)))


def test_info_nce_gradients_are_finite_differences_and_pull_views_together():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 4, 3)).astype(np.float32)
    mask = np.ones(4, np.float32)
    variable = tf.Variable(a)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(info_nce(variable, b, mask, 0.5))
    gradient = tape.gradient(loss, variable).numpy()
    for row, column in [(0, 1), (3, 2)]:
        ends = []
        for sign in (1, -1):
            moved = a.copy()
            moved[row, column] += sign * 1e-2
            ends.append(info_nce_by_loops(moved, b, mask, 0.5, True).sum())
        slope = (ends[0] - ends[1]) / 2e-2
        np.testing.assert_allclose(gradient[row, column], slope, rtol=1e-2, atol=1e-4)
    stepped = info_nce_by_loops(a - 0.05 * gradient, b, mask, 0.5, True).sum()
    assert stepped < float(loss)


def test_info_nce_edges():
    zeros = tf.Variable(tf.zeros((3, 4)))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(info_nce(zeros, zeros, tf.ones(3)))
    assert np.isfinite(float(loss))  # all at right angles of nothing: log 5 each
    np.testing.assert_allclose(float(loss), 3 * np.log(5), rtol=1e-5)
    assert np.isfinite(tape.gradient(loss, zeros).numpy()).all()
    half = info_nce(tf.eye(2, dtype=tf.float16), np.eye(2), np.ones(2), 1.0)
    assert half.dtype == tf.float32
    with pytest.raises(ValueError, match="must be > 0. Received: 0"):
        info_nce(np.eye(2), np.eye(2), np.ones(2), temperature=0)


def test_center_loss():
    losses = center_loss([1, 0], [[3.0, 0], [1, 1]], [[0.0, 0], [1, 1]])
    np.testing.assert_allclose(losses, [4 + 1, 2])
    centers = tf.Variable([[0.0, 0.0], [1.0, 1.0]])
    f = tf.Variable([[3.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(center_loss([1], f, centers))
    of_f, of_centers = tape.gradient(loss, [f, centers])
    np.testing.assert_allclose(of_f, [[4, -2]])  # 2 (f - h)
    np.testing.assert_allclose(tf.convert_to_tensor(of_centers), [[0, 0], [-4, 2]])


def penalty_by_loops(centers, form):
    centered = centers - centers.mean(0)
    g = [row / np.linalg.norm(row) for row in centered]
    count = len(g)
    if form == "paper":
        return sum(
            (g[k] @ g[t] + 1 / (count - 1)) ** 2
            for k in range(count)
            for t in range(count)
            if k != t
        )
    gram = np.array([[u @ v for v in g] for u in g])
    np.fill_diagonal(gram, -1 / (count - 1))
    return np.linalg.norm(gram)


@pytest.mark.parametrize("form", ["code", "paper"])
def test_simplex_penalty_is_the_equation(form):
    centers = np.random.default_rng(0).normal(size=(7, 9)).astype(np.float32)
    expected = penalty_by_loops(centers, form)
    penalty = simplex_etf_penalty(centers, form)
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)
    # Neither order, place nor scale of the centers matters.
    moved = 3 * centers[::-1] + 5
    np.testing.assert_allclose(simplex_etf_penalty(moved, form), expected, rtol=1e-4)


@pytest.mark.parametrize("num_classes", [2, 7, 8])
def test_simplex_penalty_at_a_perfect_simplex(num_classes):
    # K (K-1) + K entries of 1/(K-1): sqrt(K^2 / (K-1)^2) = K/(K-1), 1.1667 for seven.
    centers = np.eye(num_classes)
    ideal = num_classes / (num_classes - 1)
    np.testing.assert_allclose(simplex_etf_penalty(centers), ideal, rtol=1e-5)
    np.testing.assert_allclose(simplex_etf_penalty(centers, "paper"), 0, atol=1e-9)


@pytest.mark.parametrize("form", ["code", "paper"])
def test_descending_the_penalty_reaches_a_simplex(form):
    rng = np.random.default_rng(3)
    centers = tf.Variable(rng.normal(size=(7, 16)), dtype=tf.float32)
    optimizer = keras.optimizers.SGD(0.3, momentum=0.9)
    optimizer.build([centers])

    @tf.function
    def descend(steps):
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                penalty = simplex_etf_penalty(centers, form)
            optimizer.apply_gradients([(tape.gradient(penalty, centers), centers)])

    descend(1000)
    g = centers.numpy() - centers.numpy().mean(0)
    g /= np.linalg.norm(g, axis=1, keepdims=True)
    cosines = (g @ g.T)[~np.eye(7, dtype=bool)]
    np.testing.assert_allclose(cosines, -1 / 6, atol=1e-4)


@pytest.mark.parametrize("form", ["code", "paper"])
@pytest.mark.parametrize("centers", [np.zeros((3, 4)), np.ones((3, 4)), np.eye(3)])
def test_simplex_penalty_of_coincident_centers_has_a_finite_gradient(form, centers):
    variable = tf.Variable(centers, dtype=tf.float32)
    with tf.GradientTape() as tape:
        penalty = simplex_etf_penalty(variable, form)
    assert np.isfinite(float(penalty))
    assert np.isfinite(tape.gradient(penalty, variable).numpy()).all()


def test_simplex_penalty_refuses():
    with pytest.raises(ValueError, match="one of code, paper. Received: square"):
        simplex_etf_penalty(np.eye(3), "square")
    with pytest.raises(ValueError, match="at least two classes. Received: 1"):
        simplex_etf_penalty(np.ones((1, 3)))
