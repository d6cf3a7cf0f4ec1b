import pytest

from ganvas.config import changed
from ganvas.errors import BadSetting, UnknownName
from ganvas.style.config import StyleConfig


def test_layers_are_read_from_text():
    config = changed(
        StyleConfig(), {"weights.style_layers": "relu1_1=2, relu3_1", "weights.content_layers": "relu3_1, relu4_2"}
    )
    assert config.weights.style_layers == {"relu1_1": 2.0, "relu3_1": 1.0}
    assert config.weights.content_layers == ("relu3_1", "relu4_2")


def test_none_keeps_the_size():
    assert changed(StyleConfig(), {"size": "none"}).size is None


def test_what_is_wrong_is_said_in_a_line():
    with pytest.raises(UnknownName, match=r"no setting is called 'strenght'; did you mean 'strength'"):
        changed(StyleConfig(), {"strenght": 1})
    with pytest.raises(UnknownName, match=r"no setting is called 'network\.width'"):
        changed(StyleConfig(), {"network.width": 1})
    with pytest.raises(BadSetting, match="strength takes number at least 0 and at most 1; got '2'"):
        changed(StyleConfig(), {"strength": "2"})
    with pytest.raises(BadSetting, match=r"scales\.growth takes number above 1 and at most 8; got '1'"):
        changed(StyleConfig(), {"scales.growth": "1"})
