"""The search for settings: trials count, a study goes on, what is found can be trained with."""

import pytest

from ganvas import presets, search
from ganvas.errors import UserError
from tiny import make_points


@pytest.fixture
def points():
    return make_points()


def asked(**changes):
    return presets.configure("ring", None, {"threads": 1, "batch_size": 16} | changes)


def test_a_study_goes_on_where_it_stopped_and_its_best_is_a_preset(points, tmp_path):
    file = tmp_path / "study.db"
    first = search.Search(asked(), points, file, trials=2, minutes=0.02)
    outcomes = list(first.run())
    assert [o.number for o in outcomes] == [0, 1]
    assert outcomes[0].settings["optimiser.generator_lr"] == pytest.approx(5e-3)  # the preset's own come first
    again = search.Search(asked(), points, file, trials=4, minutes=0.02)
    assert again.config.total_images == first.config.total_images
    later = list(again.run())
    assert len(later) == 2
    assert len({o.settings["loss.r1"] for o in [*outcomes, *later]}) == 4  # none is tried twice
    assert list(again.run()) == []
    best = again.best(asked())
    assert best.loss.r1 == best.loss.r2
    assert 5e-3 / 8.01 <= best.optimiser.generator_lr <= 5e-3 * 8.01
    search.write_preset(tmp_path / "best.toml", best)
    told = presets.configure("ring", str(tmp_path / "best.toml"))
    assert told.optimiser == best.optimiser
    assert told.loss == best.loss


def test_a_trial_that_is_interrupted_does_not_count(points, tmp_path):
    tuning = search.Search(asked(), points, tmp_path / "study.db", trials=2, minutes=0.02)
    asks = iter([False] * 5)
    assert list(tuning.run(lambda: next(asks, True))) == []
    assert search.finished(tuning.study) == []
    with pytest.raises(UserError, match="no trial of the search reached its end"):
        tuning.best(asked())


def test_a_study_of_other_settings_or_no_study_is_refused(points, tmp_path):
    search.open_study(tmp_path / "study.db", asked())
    with pytest.raises(UserError, match="a search with other settings"):
        search.open_study(tmp_path / "study.db", asked(seed=3))
    (tmp_path / "text.db").write_text("this is no database at all" * 100)
    with pytest.raises(UserError, match="is no study that can be read"):
        search.open_study(tmp_path / "text.db", asked())
