"""Step times of noisy runs, and of curves whose passage is known."""

import numpy as np

import w2vflow as wf

LAM, TIME = 4.0, 5.0


def measured(squares, ts):
    """The step time of one curve `s^2` a row."""
    none = np.zeros(0)
    spectrum = wf.Spectrum(np.array([LAM]), np.eye(3)[:, :1], np.zeros(1), none, none)
    values = np.sqrt(np.clip(squares, 0, None))[..., None]
    return np.asarray(wf.measure_step_times(wf.Trajectory("SGD", ts, values, squares), spectrum))[:, 0]


def test_noise_does_not_make_steps_early():
    """Noise of a correlation in time, as settled SGD has it: 15% of `s^2`."""
    rng, ts = np.random.default_rng(0), np.linspace(0, 10, 1001)
    rise = LAM / (1 + np.exp(-2 * LAM * 0.25 * (ts - TIME)))
    noise = np.zeros((400, len(ts)))
    for i in range(1, len(ts)):
        noise[:, i] = 0.5 * noise[:, i - 1] + np.sqrt(1 - 0.5**2) * rng.normal(size=400)
    squares = rise * (1 + 0.15 * noise)
    # From 10% to 90% of the rise.
    width = np.log(81) / (2 * LAM * 0.25)
    first = np.array([np.interp(0, one[:2], ts[at - 1 : at + 1]) for one, at in passages(squares - LAM / 2)])
    assert np.mean(first - TIME) / width < -0.03
    found = measured(squares, ts)
    assert abs(np.mean(found - TIME)) / width < 0.01
    assert found.std() < 1.1 * first.std()


def passages(above):
    """Both values about the first passage of each curve, and where the second of them is."""
    for one in above:
        at = int(np.argmax(one > 0))
        yield one[at - 1 : at + 1], at


def test_curves_that_pass_once_and_some_that_do_not():
    ts = np.array([0.0, 1.0, 2.0, 4.0, 5.0])
    logits = np.array(
        [
            [-3.0, -1.0, 1.0, 2.0, 3.0],  # at 1.5
            [-3.0, -2.0, -1.0, 0.5, 0.7],  # three quarters never: 2 + 2 * 2 / 3
            [
                -3.0,
                0.5,
                -0.5,
                2.0,
                -1.0,
            ],  # twice; what comes after three quarters counts not
            [1.0, 2.0, 3.0, 3.0, 3.0],  # above from the beginning
            [-3.0, -3.0, -2.0, -1.0, -0.1],  # never
        ]
    )
    found = measured(LAM / (1 + np.exp(-logits)), ts)
    twice = 6 / 7 + (2 - 1.5) + 2 * 0.5 / 2.5
    np.testing.assert_allclose(found, [1.5, 2 + 4 / 3, twice, np.nan, np.nan], rtol=1e-12)
